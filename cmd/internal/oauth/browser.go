package oauth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Browser is a sign-in in a browser on this machine, which ends at a port on which
// it listens (RFC 8252 section 7.3).
type Browser struct {
	*Redirect
	listener net.Listener
}

// Browser begins a sign-in in a browser on this machine. Wait or Close must follow.
func (c Client) Browser(ctx context.Context) (*Browser, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the browser: %w", err)
	}
	// Microsoft lets the port of localhost alone be any; RFC 8252 8.3 prefers the
	// address.
	host := "127.0.0.1"
	if c.host() == microsoftHost {
		host = "localhost"
	}
	r, err := c.redirect(ctx, fmt.Sprintf("http://%s:%d/", host, listener.Addr().(*net.TCPAddr).Port))
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	return &Browser{r, listener}, nil
}

// Close ends the listening.
func (b *Browser) Close() error { return b.listener.Close() }

// readTimeout is how long a browser may take for its request.
const readTimeout = 10 * time.Second

// Wait waits until the browser has ended here, or ctx has. What is not an answer to
// this sign-in does not count. It closes the port.
func (b *Browser) Wait(ctx context.Context) (SignIn, error) {
	answers := make(chan url.Values, 1)
	server := &http.Server{Handler: b.handler(answers), ReadTimeout: readTimeout, WriteTimeout: readTimeout}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(b.listener) }()
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // for the answer to the browser
		defer cancel()
		if server.Shutdown(ending) != nil {
			_ = server.Close()
		}
		<-served
	}()
	select {
	case answer := <-answers:
		return b.finish(ctx, answer)
	case <-ctx.Done():
		return SignIn{}, context.Cause(ctx)
	}
}

// handler answers the browser. The code is exchanged once its answer is out: what
// comes of it is said where the sign-in was begun.
func (b *Browser) handler(answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Connection", "close")
		if r.Method != http.MethodGet || r.URL.Path != "/" || !b.mine(r.URL.Query()) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintln(w, "popferry waits for a sign-in here, and this is not its end.")
			return
		}
		_, _ = fmt.Fprintln(w, "popferry has the answer. You can close this window; popferry says whether it worked.")
		select {
		case answers <- r.URL.Query():
		default: // it has one already
		}
	})
}
