package web

import (
	"container/list"
	"context"
	"log/slog"
	"net"
	"net/http"
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
	// maxConnections is how many connections may wait for a request, and how many
	// may be answered at once: more than a few browsers, probes and collectors of
	// metrics need.
	maxConnections = 100
)

// NewServer returns a server for the pages. When maxConnections wait for a request
// and another arrives, the one that has been silent longest is closed. If the new
// one had to wait instead, a hundred idle clients could block the health probes,
// and popferry would be killed as dead. A connection that is being answered is
// never closed: while maxConnections are, other requests get 503, but for probes.
func NewServer(pages http.Handler, log *slog.Logger) *http.Server {
	l := &connLimiter{open: make(map[net.Conn]*list.Element)}
	return &http.Server{
		Handler:           l.limit(pages),
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       bodyLimit,
		WriteTimeout:      answerLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeader,
		ConnState:         l.changed,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}
