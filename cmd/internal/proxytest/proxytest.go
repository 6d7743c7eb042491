// Package proxytest has SOCKS5 and HTTP proxies in memory that can misbehave, for
// tests. Real ones are in package realserver.
package proxytest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Options say how a proxy behaves. The zero value lets everybody in, and knows no
// server.
type Options struct {
	HTTP               bool   // by CONNECT; else SOCKS5
	Username, Password string // "": everybody
	// Servers are where connections to a host:port go; to others there are none.
	Servers map[string]string
	// Reply is the answer instead of a connection: of SOCKS5 a code (RFC 1928 section
	// 6), of HTTP a status. 0: as it should be.
	Reply int
	// Says is written to each client at once, and nothing else.
	Says string
	// Silent: nothing is said at all; SilentServer: nothing is said of the server.
	Silent, SilentServer bool
	// Dies is after how many octets the proxy cuts its connections, and takes no more
	// until Revive is called; 0: never.
	Dies int64
	// Header is how many octets the answer of an HTTP proxy has beside its first line.
	Header int
}

// Proxy is a running proxy.
type Proxy struct {
	Host string
	Port int

	o     Options
	mu    sync.Mutex
	asked []string
	left  int64 // octets until it dies
	dead  bool
	// relayed are the clients whose connections it relays.
	relayed map[net.Conn]bool
}

// Start starts a proxy on this machine, and stops it at the end of the test.
func Start(tb testing.TB, o Options) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, o: o, left: o.Dies, relayed: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				p.serve(c)
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return p
}

// Asked are the servers that clients wanted, as host:port.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// Revive has a proxy that died take connections again, and not die again.
func (p *Proxy) Revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead, p.o.Dies = false, 0
}

// Dead reports whether the proxy has died.
func (p *Proxy) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *Proxy) serve(c net.Conn) {
	r := bufio.NewReader(c)
	switch {
	case p.Dead():
	case p.o.Silent:
		_, _ = io.Copy(io.Discard, c)
	case p.o.Says != "":
		_, _ = io.WriteString(c, p.o.Says)
		_, _ = io.Copy(io.Discard, c)
	case p.o.HTTP:
		p.connect(c, r)
	default:
		p.socks(c, r)
	}
}

// open connects to a server; nil: there is none.
func (p *Proxy) open(server string) net.Conn {
	p.mu.Lock()
	p.asked = append(p.asked, server)
	p.mu.Unlock()
	to, ok := p.o.Servers[server]
	if !ok {
		return nil
	}
	s, err := net.Dial("tcp", to)
	if err != nil {
		return nil
	}
	return s
}

// connect is one CONNECT.
func (p *Proxy) connect(c net.Conn, r *bufio.Reader) {
	request, err := http.ReadRequest(r)
	if err != nil || request.Method != http.MethodConnect {
		fmt.Fprint(c, "HTTP/1.1 405 Method Not Allowed\r\n\r\n")
		return
	}
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.o.Username+":"+p.o.Password))
	server := p.open(request.Host)
	if server != nil {
		defer server.Close()
	}
	status := http.StatusOK
	switch {
	case p.o.Username != "" && request.Header.Get("Proxy-Authorization") != login:
		status = http.StatusProxyAuthRequired
	case p.o.SilentServer:
		_, _ = io.Copy(io.Discard, c)
		return
	case p.o.Reply != 0:
		status = p.o.Reply
	case server == nil:
		status = http.StatusBadGateway
	}
	answer := fmt.Sprintf("HTTP/1.1 %d %s\r\nX: %*s\r\n\r\n", status, http.StatusText(status), p.o.Header, "x")
	if status == http.StatusOK { // the greeting comes with it, if there is one
		greeting := make([]byte, 512)
		_ = server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ := server.Read(greeting)
		_ = server.SetReadDeadline(time.Time{})
		answer += string(greeting[:n])
	}
	_, _ = io.WriteString(c, answer)
	if status == http.StatusOK {
		p.relay(c, r, server)
	}
}

// socks is one session of SOCKS5.
func (p *Proxy) socks(c net.Conn, r *bufio.Reader) {
	const version, byPassword, none = 5, 2, 0xff
	methods := sized(r, 1)
	method := byte(0)
	if p.o.Username != "" {
		method = none
		for _, m := range methods {
			if m == byPassword {
				method = m
			}
		}
	}
	_, _ = c.Write([]byte{version, method})
	switch method {
	case none:
		return
	case byPassword:
		name := sized(r, 1)
		if password := sized(r, 0); string(name) != p.o.Username || string(password) != p.o.Password {
			_, _ = c.Write([]byte{1, 1})
			return
		}
		_, _ = c.Write([]byte{1, 0})
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return
	}
	var host string
	switch head[3] {
	case 1, 4:
		ip := make(net.IP, map[byte]int{1: net.IPv4len, 4: net.IPv6len}[head[3]])
		_, _ = io.ReadFull(r, ip)
		host = ip.String()
	default:
		host = string(sized(r, 0))
	}
	var port [2]byte
	_, _ = io.ReadFull(r, port[:])
	server := p.open(net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8|int(port[1]))))
	if server != nil {
		defer server.Close()
	}
	reply := byte(p.o.Reply)
	if p.o.SilentServer {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	if server == nil && reply == 0 {
		reply = 5 // connection refused
	}
	_, _ = c.Write([]byte{version, reply, 0, 1, 0, 0, 0, 0, 0, 0})
	if reply == 0 {
		p.relay(c, r, server)
	}
}

// sized reads octets that follow their number, which stands behind so many others.
func sized(r *bufio.Reader, others int) []byte {
	head := make([]byte, others+1)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil
	}
	octets := make([]byte, head[others])
	_, _ = io.ReadFull(r, octets)
	return octets
}

// relay copies both ways until one side hangs up, or the proxy dies.
func (p *Proxy) relay(c net.Conn, r *bufio.Reader, server net.Conn) {
	p.mu.Lock()
	p.relayed[c] = true
	p.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = io.Copy(server, &counted{r, p})
		server.Close()
	})
	_, _ = io.Copy(c, &counted{server, p})
	c.Close()
	all.Wait()
	p.mu.Lock()
	delete(p.relayed, c)
	p.mu.Unlock()
}

// counted reads what a proxy relays, until it dies.
type counted struct {
	io.Reader
	proxy *Proxy
}

// Read implements io.Reader.
func (r *counted) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	return r.proxy.passes(n), err
}

// passes counts octets, and returns how many of them the proxy still relays.
func (p *Proxy) passes(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.o.Dies == 0 {
		return n
	}
	n = int(min(int64(n), max(0, p.left)))
	if p.left -= int64(n); p.left == 0 {
		p.dead = true
		for c := range p.relayed {
			c.Close()
		}
	}
	return n
}
