package web_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
)

// TestCrowd: clients that say nothing, or not all of it, do not keep a probe
// from its answer, and only so many of them stay.
func TestCrowd(t *testing.T) {
	t.Parallel()
	for name, begins := range map[string]string{
		"say nothing":            "",
		"dawdle with the header": "GET /healthz HTTP/1.1\r\nHost: popferry\r\nX-Slow",
		"dawdle with the form":   "POST /login HTTP/1.1\r\nHost: popferry\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 90\r\n\r\npass",
		"keep the connection":    "GET /healthz HTTP/1.1\r\nHost: popferry\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := web.NewServer(newSite(t), slog.New(slog.DiscardHandler))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error)
			go func() { served <- s.Serve(l) }()
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				<-served
			})
			const most, crowd = 100, 250
			ended := make(chan struct{}, crowd)
			for range crowd {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				if _, err := io.WriteString(conn, begins); err != nil {
					t.Fatal(err)
				}
				go func() {
					_, _ = io.Copy(io.Discard, conn) // it ends for us, too
					ended <- struct{}{}
				}()
			}
			began := time.Now()
			r, err := (&http.Client{Transport: new(http.Transport), Timeout: 5 * time.Second}).Get("http://" + l.Addr().String() + "/healthz")
			if err != nil {
				t.Fatalf("a probe after %s: %v", time.Since(began), err)
			}
			if _ = r.Body.Close(); r.StatusCode != http.StatusOK {
				t.Errorf("a probe: %s", r.Status)
			}
			// Long before the server's other limits end them.
			limit := time.After(8 * time.Second)
			for n := range crowd - most {
				select {
				case <-ended:
				case <-limit:
					t.Fatalf("%d of %d connections are left", crowd-n, crowd)
				}
			}
		})
	}
}
