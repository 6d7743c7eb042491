package web

import (
	"bytes"
	"container/list"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// connLimiter bounds the open connections of a server.
type connLimiter struct {
	mu        sync.Mutex
	waiting   list.List                  // of net.Conn, the one that has been silent longest first
	open      map[net.Conn]*list.Element // in waiting; nil while it is answered
	answering int
}

// limit wraps the handler of the server. A request counts as one when its form is
// there, too: until then its client costs nothing but the connection, and may be as
// slow as it likes.
func (l *connLimiter) limit(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		var large *http.MaxBytesError
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		n := l.begin(conn)
		switch {
		case n == 0 || err != nil && !errors.As(err, &large):
			panic(http.ErrAbortHandler) // there is nobody to answer
		case err != nil:
			http.Error(w, "the form is too large", http.StatusRequestEntityTooLarge)
		case n > maxConnections && !probePath(r.URL.Path):
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "5")
			http.Error(w, "popferry has too many requests to answer; try again in a moment", http.StatusServiceUnavailable)
		default:
			r.Body = io.NopCloser(bytes.NewReader(form))
			pages.ServeHTTP(w, r)
		}
	})
}

// begin notes that a connection is answered from now on, until it is idle or
// closed. It returns how many are, or 0 if this one has been closed.
func (l *connLimiter) begin(conn net.Conn) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, there := l.open[conn]
	if !there {
		return 0
	}
	l.waiting.Remove(e)
	l.open[conn] = nil
	l.answering++
	return l.answering
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
	e, there := l.open[conn]
	if !there && s != http.StateNew {
		return nil // already closed by us
	}
	switch {
	case s == http.StateActive: // it has sent a header
		l.waiting.MoveToBack(e)
		return nil
	case e != nil:
		l.waiting.Remove(e)
	case there:
		l.answering--
	}
	if s == http.StateClosed || s == http.StateHijacked {
		delete(l.open, conn)
		return nil
	}
	l.open[conn] = l.waiting.PushBack(conn)
	if l.waiting.Len() <= maxConnections {
		return nil
	}
	surplus := l.waiting.Remove(l.waiting.Front()).(net.Conn)
	delete(l.open, surplus)
	return surplus
}
