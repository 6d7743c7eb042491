package web

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of a connection. Requests and answers are small, and every wait has an
// end: a slow client costs nothing for long.
const (
	headerLimit = 10 * time.Second // for the header of a request, and for the first one to begin
	bodyLimit   = 30 * time.Second // for the header and the form
	answerLimit = time.Minute      // for an answer, from the end of the header
	idleLimit   = 2 * time.Minute  // between two requests
	maxHeader   = 32 << 10         // octets
	// maxConnections is more than a few browsers, probes and collectors of
	// metrics need at once.
	maxConnections = 100
)

// NewServer returns a server for the pages. When maxConnections are open and
// another arrives, the connection that has been idle longest is closed. If the
// new one had to wait instead, a hundred idle clients could block the health
// probes, and popferry would be killed as dead.
func NewServer(pages http.Handler, log *slog.Logger) *http.Server {
	l := &connLimiter{open: make(map[net.Conn]*list.Element)}
	return &http.Server{
		Handler:           pages,
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       bodyLimit,
		WriteTimeout:      answerLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		ConnState:         l.changed,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// connLimiter bounds the open connections of a server.
type connLimiter struct {
	mu    sync.Mutex
	order list.List // of net.Conn, the one that has been idle longest first
	open  map[net.Conn]*list.Element
}

// changed is the server's ConnState hook. The server calls it for a new
// connection before it reads from it.
func (l *connLimiter) changed(conn net.Conn, s http.ConnState) {
	if surplus := l.update(conn, s); surplus != nil {
		_ = surplus.Close()
	}
}

// update returns a connection to close, or nil.
func (l *connLimiter) update(conn net.Conn, s http.ConnState) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.open[conn]
	switch {
	case s == http.StateNew:
		l.open[conn] = l.order.PushBack(conn)
	case e == nil: // already closed by us
	case s == http.StateClosed, s == http.StateHijacked:
		l.remove(e)
	default:
		l.order.MoveToBack(e)
	}
	if len(l.open) <= maxConnections {
		return nil
	}
	return l.remove(l.order.Front())
}

func (l *connLimiter) remove(e *list.Element) net.Conn {
	conn := l.order.Remove(e).(net.Conn)
	delete(l.open, conn)
	return conn
}
