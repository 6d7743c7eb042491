package oauth

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// sending settles for one request whether it is sent or given up, whichever comes
// first. The zero value is ready to use.
type sending struct{ state atomic.Int32 }

const (
	undecided int32 = iota
	sent
	givenUp
)

func (s *sending) settle(as int32) bool {
	return s.state.CompareAndSwap(undecided, as) || s.state.Load() == as
}

// send reports whether the request may be sent. From then on it may have an effect.
func (s *sending) send() bool { return s.settle(sent) }

// giveUp reports whether the request is never sent.
func (s *sending) giveUp() bool { return s.settle(givenUp) }

// begun reports whether the request was sent, or a part of it.
func (s *sending) begun() bool { return s.state.Load() == sent }

// transport returns a transport for the request. What matters is the body: without
// the token or code in it, a provider grants nothing.
func (s *sending) transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			r = r.Clone(r.Context())
			r.Body, r.GetBody = &guardedBody{r.Body, s}, nil // nothing is sent a second time
		}
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// guardedBody is a body that is not read once the request was given up.
type guardedBody struct {
	io.ReadCloser
	sending *sending
}

var errGivenUp = errors.New("given up before it was sent")

// Read implements io.Reader.
func (b *guardedBody) Read(p []byte) (int, error) {
	if !b.sending.send() {
		return 0, errGivenUp
	}
	return b.ReadCloser.Read(p)
}
