package dial

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// relayMain is a command that makes a connection, as netcat does: host and port. How
// it fails instead is a third argument.
func relayMain(args []string) int {
	how := ""
	if len(args) > 2 {
		how = args[2]
	}
	switch how {
	case "fails":
		fmt.Fprintf(os.Stderr, "\n\x1b[2Jno route to %s\n\n", args[0])
		return 3
	case "ends":
		return 0
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
		select {}
	case "environment":
		fmt.Printf("%q\r\n", os.Getenv("SECRET"))
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	}
	c, err := net.Dial("tcp", net.JoinHostPort(args[0], args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, c)
	return 0
}

// byCommand is a target that relayMain connects to.
func byCommand(port int, how ...string) Target {
	return Target{Host: "127.0.0.1", Port: port, Timeout: 10 * time.Second, TLS: TLS{Mode: None}, Route: Route{Proxy: Proxy{
		Kind: Command, Command: append([]string{os.Args[0], "%h", "%p"}, how...),
		Environ: func() []string { return append(os.Environ(), "POPFERRY_TEST_RELAY=1") },
	}}}
}

// TestThroughCommand: a server that speaks first, and one with TLS, whose
// certificate is verified.
func TestThroughCommand(t *testing.T) {
	t.Parallel()
	check(t, open(t, byCommand(serve(t, greet))))
	a := newAuthority(t)
	target := byCommand(serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}})))
	target.TLS = TLS{CAFile: a.file(), ServerName: "mail.test"}
	check(t, open(t, target))
	target.TLS.ServerName = "other.test"
	failure(t, open(t, target), StageCertificate)
}

// TestMuchThroughCommand: octets come and go whole, and what was written before the
// end arrives.
func TestMuchThroughCommand(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	got := make(chan []byte, 1)
	d, err := New(byCommand(serve(t, func(c net.Conn) {
		octets, _ := io.ReadAll(io.LimitReader(c, size))
		_, _ = c.Write(octets)
		rest, _ := io.ReadAll(c)
		got <- rest
	})))
	check(t, err)
	c, err := d.Dial(t.Context())
	check(t, err)
	defer c.Close()
	sent := bytes.Repeat([]byte("0123456\n"), size/8)
	go func() { _, _ = c.Write(sent) }()
	back := make([]byte, size)
	if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, sent) {
		t.Errorf("got %v and other octets: %v", err, !bytes.Equal(back, sent))
	}
	_, err = io.WriteString(c, "QUIT\r\n")
	check(t, err)
	check(t, c.Close())
	if rest := string(<-got); rest != "QUIT\r\n" {
		t.Errorf("got %q at the end", rest)
	}
}

// TestCommandFailures: what the command says last is the reason, as text.
func TestCommandFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Target)
		reason ProxyReason
		says   string
	}{
		"fails":              {func(t *Target) { *t = byCommand(1, "fails") }, ProxyCommand, "exit status 3: "},
		"fails before TLS":   {func(t *Target) { *t = byCommand(1, "fails"); t.TLS.Mode = Implicit }, ProxyCommand, "no route to 127.0.0.1"},
		"ends":               {func(t *Target) { *t = byCommand(1, "ends") }, ProxyCommand, "it ended"},
		"nobody listens":     {func(t *Target) { *t = byCommand(1) }, ProxyCommand, "connection refused"},
		"is silent":          {func(t *Target) { *t = byCommand(1, "silent") }, ProxyNoAnswer, "no answer in time"},
		"is silent with TLS": {func(t *Target) { *t = byCommand(1, "silent"); t.TLS.Mode = Implicit }, ProxyNoAnswer, "no answer in time"},
		"is not there":       {func(t *Target) { t.Route.Proxy.Command = []string{"no-such-program-of-popferry"} }, ProxyCommand, "executable file not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := byCommand(1)
			tt.change(&target)
			if tt.reason == ProxyNoAnswer {
				target.Timeout = 500 * time.Millisecond
			}
			d, err := New(target)
			check(t, err)
			c, err := d.Dial(t.Context())
			if err == nil { // without TLS the first read shows it
				_ = c.SetDeadline(time.Now().Add(target.Timeout))
				_, err = bufio.NewReader(c).ReadString('\n')
				c.Close()
			}
			var failed *ProxyError
			if !errors.As(err, &failed) || failed.Reason != tt.reason || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %v, want a proxy's error %d with %q", err, tt.reason, tt.says)
			}
			if !strings.Contains(err.Error(), "the command ") {
				t.Errorf("%q does not name the command", err)
			}
		})
	}
}

// TestCutThroughCommand: once something has come, the end of the command is that of
// the connection.
func TestCutThroughCommand(t *testing.T) {
	t.Parallel()
	d, err := New(byCommand(serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "+OK\r\n") })))
	check(t, err)
	c, err := d.Dial(t.Context())
	check(t, err)
	defer c.Close()
	if octets, err := io.ReadAll(c); string(octets) != "+OK\r\n" || err != nil {
		t.Errorf("got %q, %v", octets, err)
	}
	if _, err := c.Write([]byte("NOOP\r\n")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing: got %v, want a broken pipe", err)
	}
}

// TestCommandEndsWithConnection: also one that does not care, and no goroutine
// outlives it (TestMain).
func TestCommandEndsWithConnection(t *testing.T) {
	t.Parallel()
	d, err := New(byCommand(1, "silent"))
	check(t, err)
	c, err := d.Dial(t.Context())
	check(t, err)
	check(t, c.Close())
	process := c.(*commandConn).process
	select {
	case <-process.Done():
	default:
		t.Error("the command runs on")
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a closed connection could be read from")
	}
	check(t, c.Close())
}

// TestCommandIsStopped: the end of the context is the end of a handshake through a
// command, and not the command's fault.
func TestCommandIsStopped(t *testing.T) {
	t.Parallel()
	target := byCommand(1, "silent")
	target.TLS.Mode = Implicit
	d, err := New(target)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = d.Dial(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
	var failed *ProxyError
	if errors.As(err, &failed) {
		t.Errorf("got %v, a fault of the command", err)
	}
}

// TestEnvironmentOfCommand: it is the one that the proxy says.
func TestEnvironmentOfCommand(t *testing.T) {
	t.Parallel()
	target := byCommand(1, "environment")
	target.Route.Proxy.Environ = func() []string { return []string{"POPFERRY_TEST_RELAY=1", "SECRET=seen"} }
	d, err := New(target)
	check(t, err)
	c, err := d.Dial(t.Context())
	check(t, err)
	defer c.Close()
	if line, err := bufio.NewReader(c).ReadString('\n'); line != strconv.Quote("seen")+"\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// TestCommandsWithoutConnection: what can never be a connection is refused before.
func TestCommandsWithoutConnection(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]Target{
		"no command":               {Host: "pop.example.net", Port: 995, Route: Route{Proxy: Proxy{Kind: Command}}},
		"a host that is an option": {Host: "-oProxyCommand=x", Port: 995, Route: Route{Proxy: Proxy{Kind: Command, Command: []string{"ssh", "%h"}}}},
	} {
		if _, err := New(target); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
