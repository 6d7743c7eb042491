package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/queue"
)

// dial connects and brings a session to the point where it takes mail. When ctx
// is done the connection is closed, whatever it waits for.
func dial(ctx context.Context, o *Options, q *quirks) (*session, queue.Failure) {
	return queue.Dial(ctx, func(before queue.Attempt) *session { return &session{o: o, quirk: q, Attempt: before} })
}

// Connect is dial on one connection. After a failure it is closed.
func (s *session) Connect(ctx context.Context) queue.Failure {
	conn, err := s.o.Dial(ctx)
	if err != nil {
		return &Error{Stage: forwarder.StageDial, Err: err}
	}
	s.raw = rawConn(conn)
	s.useConn(conn)
	stop := context.AfterFunc(ctx, s.Abort)
	fail := s.handshake(ctx)
	if !stop() && fail == nil { // closed at the last moment
		fail = &Error{Stage: forwarder.StageDial, Err: context.Cause(ctx)}
	}
	if fail != nil {
		s.Abort()
		return fail
	}
	return nil
}

// handshake goes from the greeting to the login.
func (s *session) handshake(ctx context.Context) *Error {
	c, err := s.hello("")
	if err != nil {
		return err
	}
	s.o.Passed(forwarder.StageHello)
	if s.o.StartTLS != nil {
		if err := s.startTLS(ctx); err != nil {
			return err
		}
		s.o.Passed(forwarder.StageTLS)
		// What the server said in clear is void (RFC 3207 4.2).
		if c, err = s.hello("220 \r\n"); err != nil {
			return err
		}
	}
	if s.o.Username != "" {
		if fail := s.login(ctx, c); fail != nil {
			return fail
		}
		s.o.Passed(forwarder.StageAuth)
	}
	return nil
}

// hello has go-smtp's client read the greeting and send EHLO or LHLO, or HELO
// to a server that knows only that. Behind STARTTLS there is no greeting, so it
// is given one. The extensions are read here: the client knows them in upper case
// only.
func (s *session) hello(greeting string) (*gosmtp.Client, *Error) {
	conn := &handshakeConn{Conn: s.conn, greeting: strings.NewReader(greeting), left: newBudget()}
	c := gosmtp.NewClient(conn)
	if s.o.LMTP {
		c = gosmtp.NewClientLMTP(conn)
	}
	c.CommandTimeout = s.o.Timeout
	host, _ := os.Hostname() // an error leaves it empty, which is not a full name either
	if err := c.Hello(heloName(s.o.Helo, host, s.raw.LocalAddr())); err != nil {
		if !conn.wrote {
			return nil, s.failed(forwarder.StageGreeting, err)
		}
		return nil, s.failed(forwarder.StageHello, err)
	}
	if s.o.Greeted != nil && greeting == "" {
		s.o.Greeted(greetingText(string(conn.greeted)))
	}
	s.ext = readExtensions(strings.Split(string(conn.said), "\n"))
	return c, nil
}

// startTLS sends STARTTLS and puts TLS around the connection. go-smtp's own
// introduces itself as localhost and does not give the new connection away.
func (s *session) startTLS(ctx context.Context) *Error {
	if !s.ext.startTLS {
		return &Error{Stage: forwarder.StageTLS, Err: ErrNoSTARTTLS}
	}
	r, err := s.command("STARTTLS")
	switch {
	case err != nil:
		return s.failed(forwarder.StageTLS, err)
	case r.refusal():
		return r.failure(forwarder.StageTLS)
	case r.code != 220:
		return s.failed(forwarder.StageTLS, r.unexpected())
	case s.r.Buffered() > 0:
		// Sent in clear, to be believed behind TLS (the reverse of CVE-2011-0411).
		return s.failed(forwarder.StageTLS, fmt.Errorf("%w: more data behind the reply to STARTTLS", ErrProtocol))
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	below := s.conn
	if s.trace != nil {
		below = s.trace.Conn
	}
	conn, err := s.o.StartTLS(ctx, below)
	if err != nil {
		return s.failed(forwarder.StageTLS, err)
	}
	s.useConn(conn)
	return nil
}

// useConn continues the dialogue on conn, traced if that is wanted.
func (s *session) useConn(conn net.Conn) {
	if s.o.Trace != nil {
		next := &traced{Conn: conn}
		if s.trace != nil {
			next.report = s.trace.report // the same dialogue, now under TLS
		} else {
			next.report = s.o.Trace()
		}
		s.trace, conn = next, next
	}
	s.wire = newWire(conn, s.o.Timeout)
}

// failed turns an error of go-smtp or of the connection into one with its stage.
func (w *wire) failed(stage forwarder.Stage, err error) *Error {
	var r *gosmtp.SMTPError
	if errors.As(err, &r) {
		return reply{
			code: r.Code, enhanced: forwarder.EnhancedCode(r.EnhancedCode), said: shown(nil, r.Message), text: shown(w.mask, r.Message),
		}.failure(stage)
	}
	return &Error{Stage: stage, Err: withoutSecrets(w.mask, err)}
}

// handshakeConn is the connection as go-smtp's client sees it during the
// handshake. It adds what the client does not have.
type handshakeConn struct {
	net.Conn
	// greeting is read before anything of the connection. The client expects a
	// greeting on each new connection, and behind STARTTLS there is none.
	greeting *strings.Reader
	// wrote is set once the client has sent something. The client returns one
	// error for greeting and EHLO; this tells them apart.
	wrote bool
	// left bounds what the server may say: the client would collect the lines of
	// one reply without end.
	left budget
	// said is what the server has said since the client last sent something,
	// greeted what it has said before.
	said, greeted []byte
}

// Read implements io.Reader.
func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.greeting.Len() > 0 {
		return c.greeting.Read(p)
	}
	n, err := c.Conn.Read(p)
	if broken := c.left.spend(p[:n]); broken != nil {
		return 0, broken
	}
	c.said = append(c.said, p[:n]...)
	return n, err
}

// Write implements io.Writer.
func (c *handshakeConn) Write(p []byte) (int, error) {
	if !c.wrote {
		c.greeted = c.said
	}
	c.wrote, c.said = true, nil
	return c.Conn.Write(p)
}

// greetingText is a greeting of any number of lines without its codes.
func greetingText(said string) string {
	var text []string
	for line := range strings.Lines(said) {
		text = append(text, line[min(len(line), len("220 ")):])
	}
	return printable.Reply(strings.Join(text, " "))
}

// heloName is what the client calls itself in EHLO or LHLO (RFC 5321 4.1.1.1,
// 4.1.3): name, or else the host's full name, if that is a domain, and otherwise
// the address literal of the connection's own end. Many servers refuse the name
// of a host without its domain.
func heloName(name, host string, local net.Addr) string {
	if name == "" && strings.Contains(strings.TrimSuffix(host, "."), ".") {
		name = host
	}
	if name = strings.TrimSuffix(name, "."); isDomain(name) {
		return name
	}
	bare := strings.TrimPrefix(strings.Trim(name, "[]"), "IPv6:")
	if ip, err := netip.ParseAddr(bare); err == nil {
		return literal(ip)
	}
	if tcp, ok := local.(*net.TCPAddr); ok {
		return literal(tcp.AddrPort().Addr())
	}
	return "localhost" // a Unix socket: both ends are this host
}

// literal writes an address literal (RFC 5321 4.1.3).
func literal(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// isDomain reports whether name consists of the labels of RFC 5321 4.1.2 and is
// not an address. Servers refuse the underscore that many host names have.
func isDomain(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
				letters = true
			case '0' <= c && c <= '9', c == '-':
			default:
				return false
			}
		}
	}
	return letters
}
