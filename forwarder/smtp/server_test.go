package smtp_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// serve starts a server for the test.
func serve(t testing.TB, o smtptest.Options) *smtptest.Server {
	t.Helper()
	srv, err := smtptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// pool opens a pool for the test.
func pool(t testing.TB, o smtp.Options) *smtp.Pool {
	t.Helper()
	p := smtp.New(o)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// certificates are TLS settings of a server and a client for mx.example.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	server, client, err := smtptest.SelfSigned("mx.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// dialTLS dials a server with implicit TLS.
func dialTLS(srv *smtptest.Server, config *tls.Config) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		d := tls.Dialer{Config: config}
		return d.DialContext(ctx, srv.Addr().Network(), srv.Addr().String())
	}
}

// upgrade is Options.StartTLS.
func upgrade(config *tls.Config) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		conn := tls.Client(raw, config)
		return conn, conn.HandshakeContext(ctx)
	}
}

// What arrives is what was sent, over every kind of connection.
func TestTransports(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	tests := []struct {
		name     string
		server   smtptest.Options
		starttls bool
	}{
		{name: "plain"},
		{name: "STARTTLS", server: smtptest.Options{TLS: server, Username: "leo", Password: "s3cret"}, starttls: true},
		{name: "TLS", server: smtptest.Options{TLS: server, Implicit: true, Username: "leo", Password: "s3cret"}},
		{name: "LMTP", server: smtptest.Options{LMTP: true}},
		{name: "LMTP by a unix socket", server: smtptest.Options{LMTP: true, Network: "unix", Address: filepath.Join(t.TempDir(), "lmtp")}},
		{name: "LMTP by STARTTLS", server: smtptest.Options{LMTP: true, TLS: server}, starttls: true},
		{name: "with a limit of its size", server: smtptest.Options{MaxSize: 1 << 20}},
		{name: "two messages a connection", server: smtptest.Options{PerConnection: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, tt.server)
			o := smtp.Options{Dial: srv.Dial, LMTP: tt.server.LMTP, Username: tt.server.Username,
				Secret: func(context.Context) (string, error) { return tt.server.Password, nil }}
			if tt.server.Implicit {
				o.Dial = dialTLS(srv, client)
			}
			if tt.starttls {
				o.StartTLS = upgrade(client)
			}
			p := pool(t, o)
			var want [][sha256.Size]byte
			for i := range uint64(5) {
				text := mailText(i)
				want = append(want, sha256.Sum256([]byte(text)))
				m := message(text, "b@example.org", "c@example.org")
				m.EightBit = true
				out, err := deliver(t.Context(), p, m, ready)
				if err != nil || out[0].Kind != forwarder.Accepted || out[1].Kind != forwarder.Accepted {
					t.Fatalf("got %v and %v, want both accepted", out, err)
				}
			}
			for i, m := range srv.Messages() {
				if m.SHA256 != want[i] || m.Sender != "a@example.org" || strings.Join(m.Recipients, " ") != "b@example.org c@example.org" || m.BodyType != "8BITMIME" {
					t.Errorf("message %d is not what was sent: %.300v", i+1, m)
				}
			}
			if n := len(srv.Messages()); n != len(want) {
				t.Errorf("%d messages arrived, want %d", n, len(want))
			}
			wantConnections := 1
			if tt.server.PerConnection > 0 {
				wantConnections = 3
			}
			if n := srv.Connections(); n != wantConnections {
				t.Errorf("%d connections, want %d", n, wantConnections)
			}
		})
	}
}

// mailText makes up lines with what is special on the wire. A bare CR never
// stands before a line end here: go-smtp's server can't read that.
func mailText(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	parts := []string{".", "..", "\r\n", "\r\n.\r\n", "a\rb", "x", "\x00", "\xff\xfe", "From ", strings.Repeat("long ", 2000)}
	var b strings.Builder
	for range 300 {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String() + "\r\n"
}

// A message is sent as it is read, not kept in memory.
func TestLargeMessageIsStreamed(t *testing.T) {
	t.Parallel()
	srv := serve(t, smtptest.Options{HashOnly: true})
	p := pool(t, smtp.Options{Dial: srv.Dial})
	const lines = 1 << 20 / 64
	m := message("")
	m.Size = lines * 64
	line := strings.Repeat(".", 62) + "\r\n"
	m.Body = func() io.Reader { return io.LimitReader(&repeat{line: line}, m.Size) }
	hash := sha256.New()
	_, _ = io.Copy(hash, m.Body())
	if out, err := deliver(t.Context(), p, m, ready); err != nil || out[0].Kind != forwarder.Accepted {
		t.Fatalf("got %v and %v, want it accepted", out, err)
	}
	if got := srv.Messages()[0]; got.Size != m.Size || string(got.SHA256[:]) != string(hash.Sum(nil)) || got.Data != nil {
		t.Errorf("got %d octets, %x, want %d, %x", got.Size, got.SHA256, m.Size, hash.Sum(nil))
	}
}

// repeat reads a line again and again.
type repeat struct {
	line string
	at   int
}

// Read implements io.Reader.
func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.line[r.at:])
	r.at = (r.at + n) % len(r.line)
	return n, nil
}

// Without the TLS that is demanded there is no session.
func TestTLSFailsUnusable(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	other := client.Clone()
	other.ServerName = "other.example"
	strange := client.Clone()
	strange.RootCAs = nil
	nameless := client.Clone()
	nameless.ServerName = ""
	tests := []struct {
		name   string
		server smtptest.Options
		config *tls.Config
		is     error
		as     any
	}{
		{name: "not offered", config: client, is: smtp.ErrNoSTARTTLS},
		{name: "another name", server: smtptest.Options{TLS: server}, config: other, as: new(*tls.CertificateVerificationError)},
		{name: "unknown authority", server: smtptest.Options{TLS: server}, config: strange, as: new(*tls.CertificateVerificationError)},
		{name: "no name to compare", server: smtptest.Options{TLS: server}, config: nameless},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, tt.server)
			p := pool(t, smtp.Options{Dial: srv.Dial, StartTLS: upgrade(tt.config), Username: "leo", Secret: func(context.Context) (string, error) {
				t.Error("the password was asked for")
				return "", nil
			}})
			out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), notReady(t))
			if err != nil || len(out) != 1 || out[0].Kind != forwarder.Unusable || out[0].Stage != forwarder.StageTLS {
				t.Fatalf("got %v and %v, want unusable at tls", out, err)
			}
			if tt.is != nil && !errors.Is(out[0].Err, tt.is) || tt.as != nil && !errors.As(out[0].Err, tt.as) {
				t.Errorf("cause %v, want %v or a %T", out[0].Err, tt.is, tt.as)
			}
		})
	}
}

// What comes in clear behind STARTTLS, or instead of it, is not believed.
func TestSTARTTLSScripts(t *testing.T) {
	t.Parallel()
	offered := "S: 220 mx\n C: EHLO client.example\n S: 250-mx\n S: 250 STARTTLS\n C: STARTTLS\n"
	tests := []struct{ name, script, want string }{
		{"refused", offered + "S: 454 4.7.0 not now\n C!", "tls: 454 4.7.0 not now"},
		{"another reply", offered + "S: 250 ok\n C!", `tls: protocol violation: unexpected reply 250 "ok"`},
		{"more than a reply", offered + `S: 220 go\r\n250 mx` + "\n C!", "tls: protocol violation: more data behind the reply to STARTTLS"},
		{"cut", offered + "S!", "tls: unexpected EOF"},
		{"HELO only", "S: 220 mx\n C: EHLO client.example\n S: 502 what?\n C: HELO client.example\n S: 250 mx\n C!",
			"tls: the server does not offer STARTTLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.script)
				o := options(peer)
				o.StartTLS = upgrade(&tls.Config{ServerName: "mx.example"})
				p := smtp.New(o)
				if err := p.Check(t.Context()); text(err) != tt.want {
					t.Errorf("got %q, want %q", text(err), tt.want)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// badHello is the error of a handshake that a new connection may help.
type badHello struct{ again bool }

func (badHello) Error() string         { return "ClientHello not understood" }
func (e badHello) NewConnection() bool { return e.again }

// TestSTARTTLSAgain: a handshake that a new connection may help gets one, and
// only one.
func TestSTARTTLSAgain(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	for _, tt := range []struct {
		name  string
		fails []badHello // one handshake each
		want  string
	}{
		{"once", []badHello{{again: true}}, ""},
		{"twice", []badHello{{again: true}, {again: true}}, "tls: ClientHello not understood"},
		{"for another reason", []badHello{{again: false}}, "tls: ClientHello not understood"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, smtptest.Options{TLS: server})
			shakes := 0
			p := pool(t, smtp.Options{Dial: srv.Dial, StartTLS: func(ctx context.Context, raw net.Conn) (net.Conn, error) {
				if shakes++; shakes <= len(tt.fails) {
					return nil, tt.fails[shakes-1]
				}
				return upgrade(client)(ctx, raw)
			}})
			if err := p.Check(t.Context()); text(err) != tt.want {
				t.Errorf("got %q, want %q", text(err), tt.want)
			}
			want := len(tt.fails)
			if tt.want == "" {
				want++
			}
			if shakes != want {
				t.Errorf("got %d handshakes, want %d", shakes, want)
			}
		})
	}
}

// Many messages at once over few connections, with a server that drops some.
func TestManyAtOnceWithDrops(t *testing.T) {
	t.Parallel()
	srv := serve(t, smtptest.Options{HashOnly: true, Fault: func(e smtptest.Event) smtptest.Fault {
		drop := e.Stage == forwarder.StageBody && e.Message%5 == 0
		return smtptest.Fault{Close: drop, After: 10}
	}})
	p := pool(t, smtp.Options{Dial: srv.Dial})
	var calls sync.WaitGroup
	var mu sync.Mutex
	sent := make(map[[sha256.Size]byte]bool)
	for worker := range 4 {
		calls.Go(func() {
			for i := range 10 {
				text := fmt.Sprintf("worker %d, message %d\r\n%s", worker, i, strings.Repeat("many\r\n", 6000))
				out, err := deliver(t.Context(), p, message(text), ready)
				if err != nil {
					t.Errorf("deliver: %v", err)
					return
				}
				switch out[0].Kind {
				case forwarder.Accepted:
					mu.Lock()
					sent[sha256.Sum256([]byte(text))] = true
					mu.Unlock()
				case forwarder.Broken, forwarder.InDoubt: // the server closed before it had read all
				default:
					t.Errorf("got %+v, want accepted, broken or in doubt", out[0])
				}
			}
		})
	}
	calls.Wait()
	got := srv.Messages()
	for _, m := range got {
		if !sent[m.SHA256] {
			t.Error("the server has a message that was not answered as accepted")
		}
	}
	if len(got) != len(sent) || len(got) < 10 {
		t.Errorf("%d messages, %d accepted, want both the same and at least 10", len(got), len(sent))
	}
}

// BenchmarkDeliver has as many messages under way as are useful, in each of the
// forms that a transaction can take.
func BenchmarkDeliver(b *testing.B) {
	text := strings.Repeat("a line of some sixty-four octets, as most mail has them or so\r\n", 130)
	for _, bb := range []struct {
		name   string
		server smtptest.Options
	}{
		{"BDAT", smtptest.Options{}},
		{"BDAT to a server with Nagle's algorithm", smtptest.Options{Nagle: true}},
		{"pipelined", smtptest.Options{Hide: []string{"CHUNKING"}}},
		{"pipelined to a server with Nagle's algorithm", smtptest.Options{Hide: []string{"CHUNKING"}, Nagle: true}},
		{"plain", smtptest.Options{Hide: []string{"CHUNKING", "PIPELINING"}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bb.server.HashOnly = true
			srv := serve(b, bb.server)
			p := pool(b, smtp.Options{Dial: srv.Dial})
			m := message(text)
			b.SetBytes(m.Size)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if out, err := deliver(b.Context(), p, m, ready); err != nil || out[0].Kind != forwarder.Accepted {
						b.Error(out, err)
					}
				}
			})
		})
	}
}
