package web

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of a connection. What is asked for and what is answered is small, and
// every wait has an end: a client that dawdles costs nothing for long.
const (
	headerLimit = 10 * time.Second // for the header of a request, and for the first one to begin
	bodyLimit   = 30 * time.Second // for the header and the form
	answerLimit = time.Minute      // for an answer, from the end of the header
	idleLimit   = 2 * time.Minute  // between two requests
	mostHeader  = 32 << 10         // octets
	// mostConnections is how many there are at once: more than a few browsers,
	// probes and collectors of metrics need.
	mostConnections = 100
)

// NewServer returns a server for the pages. It has no more than so many
// connections at once: for one more it hangs up on the one that has been quiet
// longest. To have the newcomer wait instead would be to let a hundred clients
// that say nothing lock out the probes, and popferry would be killed as dead.
func NewServer(pages http.Handler, log *slog.Logger) *http.Server {
	c := &crowd{at: make(map[net.Conn]*list.Element)}
	return &http.Server{
		Handler:           pages,
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       bodyLimit,
		WriteTimeout:      answerLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    mostHeader,
		ConnState:         c.changed,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// crowd is the connections of a server.
type crowd struct {
	mu    sync.Mutex
	order list.List // of net.Conn: who has been quiet longest comes first
	at    map[net.Conn]*list.Element
}

// changed is told of each change of a connection's state, of a new one before
// anything is read from it.
func (c *crowd) changed(conn net.Conn, s http.ConnState) {
	if tooMany := c.note(conn, s); tooMany != nil {
		_ = tooMany.Close()
	}
}

// note returns a connection to hang up on, or nil.
func (c *crowd) note(conn net.Conn, s http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.at[conn]
	switch {
	case s == http.StateNew:
		c.at[conn] = c.order.PushBack(conn)
	case e == nil: // we have hung up on it
	case s == http.StateClosed, s == http.StateHijacked:
		c.drop(e)
	default:
		c.order.MoveToBack(e)
	}
	if len(c.at) <= mostConnections {
		return nil
	}
	return c.drop(c.order.Front())
}

func (c *crowd) drop(e *list.Element) net.Conn {
	conn := c.order.Remove(e).(net.Conn)
	delete(c.at, conn)
	return conn
}
