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

// TestIdleConnectionsDoNotBlockProbes: clients that send nothing, or only a part
// of a request, do not keep a probe waiting, and only so many stay connected.
func TestIdleConnectionsDoNotBlockProbes(t *testing.T) {
	t.Parallel()
	for name, begins := range map[string]string{
		"send nothing":         "",
		"never end the header": "GET /healthz HTTP/1.1\r\nHost: popferry\r\nX-Slow",
		"never end the form":   "POST /login HTTP/1.1\r\nHost: popferry\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 90\r\n\r\npass",
		"keep the connection":  "GET /healthz HTTP/1.1\r\nHost: popferry\r\n\r\n",
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
			const limit, clients = 100, 250
			ended := make(chan struct{}, clients)
			for range clients {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				if _, err := io.WriteString(conn, begins); err != nil {
					t.Fatal(err)
				}
				go func() {
					_, _ = io.Copy(io.Discard, conn) // until the server closes it
					ended <- struct{}{}
				}()
			}
			began := time.Now()
			r, err := (&http.Client{Transport: new(http.Transport), Timeout: 5 * time.Second}).Get("http://" + l.Addr().String() + "/healthz")
			if err != nil {
				t.Fatalf("a probe after %s: %v", time.Since(began), err)
			}
			if _ = r.Body.Close(); r.StatusCode != http.StatusOK {
				t.Errorf("a probe: %s, want 200", r.Status)
			}
			// Long before the server's timeouts would close them.
			deadline := time.After(8 * time.Second)
			for n := range clients - limit {
				select {
				case <-ended:
				case <-deadline:
					t.Fatalf("%d of %d connections are left, want %d", clients-n, clients, limit)
				}
			}
		})
	}
}
