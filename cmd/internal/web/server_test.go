package web_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIdleConnectionsDoNotBlockProbes: clients that send nothing, or only a part
// of a request, do not keep a probe waiting, and only so many stay connected.
func TestIdleConnectionsDoNotBlockProbes(t *testing.T) {
	t.Parallel()
	for name, begins := range map[string]string{
		"send nothing":         "",
		"never end the header": "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow",
		"never end the form":   "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 90\r\n\r\npass",
		"keep the connection":  "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, newSite(t), nil)
			const limit, clients = 100, 250
			ended := make(chan struct{}, clients)
			for range clients {
				conn, err := net.Dial("tcp", addr)
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
			r, err := (&http.Client{Transport: new(http.Transport), Timeout: 5 * time.Second}).Get("http://" + addr + "/healthz")
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

// gated is a handler whose answers at /slow wait until the gate is open.
type gated struct {
	body        []byte
	begun, gate chan struct{}
}

func (g *gated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		g.begun <- struct{}{}
		<-g.gate
	}
	_, _ = w.Write(g.body)
}

// open opens a connection and sends what a client begins with.
func open(t *testing.T, addr, begins string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, begins); err != nil {
		t.Fatal(err)
	}
	return conn
}

// read reads an answer, which must be whole, and returns its status code.
func (g *gated) read(answer io.Reader) (int, error) {
	res, err := http.ReadResponse(bufio.NewReader(answer), nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == http.StatusOK && !bytes.Equal(body, g.body) {
		err = fmt.Errorf("%d octets, want %d", len(body), len(g.body))
	}
	return res.StatusCode, err
}

// TestAnswersStayWhole: whoever else connects, a request that is being answered is
// answered whole. When too many are, another one is told so, and a probe is not.
func TestAnswersStayWhole(t *testing.T) {
	t.Parallel()
	const limit, silent = 100, 250
	g := &gated{body: bytes.Repeat([]byte("popferry"), 10_000), begun: make(chan struct{}), gate: make(chan struct{})}
	addr := serve(t, g, nil)
	const slow = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
	busy := make([]net.Conn, limit)
	for i := range busy {
		busy[i] = open(t, addr, slow)
		<-g.begun
	}
	ended := make(chan struct{}, silent)
	for range silent {
		conn := open(t, addr, "")
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			ended <- struct{}{}
		}()
	}
	deadline := time.After(30 * time.Second)
	for n := range silent - limit {
		select {
		case <-ended:
		case <-deadline:
			t.Fatalf("%d of %d silent connections are left, want %d", silent-n, silent, limit)
		}
	}
	for path, want := range map[string]int{"/": 503, "/slow": 503, "/metrics": 503, "/healthz": 200, "/readyz": 200} {
		code, err := g.read(open(t, addr, strings.Replace(slow, "/slow", path, 1)))
		if err != nil || code != want {
			t.Errorf("%s while %d are answered: %d %v, want %d", path, limit, code, err, want)
		}
	}
	close(g.gate)
	for _, conn := range busy {
		if code, err := g.read(conn); err != nil || code != http.StatusOK {
			t.Errorf("an answer that had begun: %d %v, want 200", code, err)
		}
	}
	if code, err := g.read(open(t, addr, strings.Replace(slow, "/slow", "/", 1))); err != nil || code != http.StatusOK {
		t.Errorf("afterwards: %d %v, want 200", code, err)
	}
}

// TestStorm: while connections come and go by the thousand, each answer that begins
// is whole.
func TestStorm(t *testing.T) {
	t.Parallel()
	g := &gated{body: bytes.Repeat([]byte("popferry"), 1_000_000)} // more than a connection's buffers take
	addr := serve(t, g, nil)
	stop := make(chan struct{})
	var storm sync.WaitGroup
	for range 8 {
		storm.Go(func() {
			var held []net.Conn
			defer func() {
				for _, c := range held {
					_ = c.Close()
				}
			}()
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					continue // no port is free for the moment
				}
				if held = append(held, conn); len(held) > 50 {
					_ = held[0].Close()
					held = held[1:]
				}
			}
		})
	}
	whole := 0
	for range 20 {
		conn := open(t, addr, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		first := make([]byte, 1)
		if _, err := io.ReadFull(conn, first); err != nil {
			continue // closed before its request was read
		}
		if code, err := g.read(io.MultiReader(bytes.NewReader(first), conn)); err != nil || code != http.StatusOK {
			t.Errorf("an answer that had begun: %d %v, want 200, whole", code, err)
			continue
		}
		whole++
	}
	close(stop)
	storm.Wait()
	if whole == 0 {
		t.Error("no request was answered, want some")
	}
}
