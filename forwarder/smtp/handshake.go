package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/popferry/popferry/forwarder"
)

// dial connects and brings a session to the point where it takes mail. When ctx
// is done the connection is closed, whatever it waits for.
func dial(ctx context.Context, o *Options, q *quirks) (*session, *Error) {
	s, err := dialOnce(ctx, o, q)
	var again interface{ NewConnection() bool }
	if err != nil && ctx.Err() == nil && errors.As(err, &again) && again.NewConnection() {
		return dialOnce(ctx, o, q)
	}
	return s, err
}

func dialOnce(ctx context.Context, o *Options, q *quirks) (*session, *Error) {
	conn, err := o.Dial(ctx)
	if err != nil {
		return nil, &Error{Stage: forwarder.StageDial, Err: err}
	}
	s := &session{o: o, quirk: q, raw: rawConn(conn)}
	s.useConn(conn)
	stop := context.AfterFunc(ctx, s.abort)
	fail := s.handshake(ctx)
	if !stop() && fail == nil { // closed at the last moment
		fail = &Error{Stage: forwarder.StageDial, Err: context.Cause(ctx)}
	}
	if fail != nil {
		s.abort()
		return nil, fail
	}
	s.maxLoad = s.capacity()
	return s, nil
}

// handshake goes from the greeting to the login.
func (s *session) handshake(ctx context.Context) *Error {
	c, err := s.hello("")
	if err != nil {
		return err
	}
	s.o.Passed(forwarder.StageHello)
	if s.o.StartTLS != nil {
		if err := s.startTLS(ctx, c); err != nil {
			return err
		}
		s.o.Passed(forwarder.StageTLS)
		// What the server said in clear is void (RFC 3207 4.2).
		if c, err = s.hello("220 \r\n"); err != nil {
			return err
		}
	}
	if s.o.Username != "" {
		if err := s.login(ctx, c); err != nil {
			return failed(forwarder.StageAuth, err)
		}
		s.o.Passed(forwarder.StageAuth)
	}
	s.ext = readExtensions(c)
	return nil
}

// hello has go-smtp's client read the greeting and send EHLO or LHLO, or HELO
// to a server that knows only that. Behind STARTTLS there is no greeting, so it
// is given one.
func (s *session) hello(greeting string) (*gosmtp.Client, *Error) {
	conn := &handshakeConn{Conn: s.conn, greeting: strings.NewReader(greeting), left: maxReply}
	c := gosmtp.NewClient(conn)
	if s.o.LMTP {
		c = gosmtp.NewClientLMTP(conn)
	}
	c.CommandTimeout = s.o.Timeout
	if err := c.Hello(heloName(s.o.Helo, s.raw.LocalAddr())); err != nil {
		if !conn.wrote {
			return nil, failed(forwarder.StageGreeting, err)
		}
		return nil, failed(forwarder.StageHello, err)
	}
	return c, nil
}

// startTLS sends STARTTLS and puts TLS around the connection. go-smtp's own
// introduces itself as localhost and does not give the new connection away.
func (s *session) startTLS(ctx context.Context, c *gosmtp.Client) *Error {
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return &Error{Stage: forwarder.StageTLS, Err: ErrNoSTARTTLS}
	}
	r, err := s.command("STARTTLS")
	switch {
	case err != nil:
		return failed(forwarder.StageTLS, err)
	case r.refusal():
		return &Error{Stage: forwarder.StageTLS, Code: r.code, Enhanced: r.enhanced, Text: r.text}
	case r.code != 220:
		return failed(forwarder.StageTLS, r.unexpected())
	case s.r.Buffered() > 0:
		// Sent in clear, to be believed behind TLS (the reverse of CVE-2011-0411).
		return failed(forwarder.StageTLS, fmt.Errorf("%w: more data behind the reply to STARTTLS", ErrProtocol))
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	below := s.conn
	if s.trace != nil {
		below = s.trace.Conn
	}
	conn, err := s.o.StartTLS(ctx, below)
	if err != nil {
		return failed(forwarder.StageTLS, err)
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

// login asks for the password and logs in with it.
func (s *session) login(ctx context.Context, c *gosmtp.Client) error {
	secret := ""
	if s.o.Secret != nil {
		var err error
		if secret, err = s.o.Secret(ctx); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	mech, err := mechanism(c, s.o.Auth, s.o.Username, secret)
	if err != nil {
		return err
	}
	s.trace.loggingIn(true, secretForms(s.o.Username, secret))
	defer s.trace.loggingIn(false, nil)
	if err := c.Auth(mech); err != nil {
		return hideSecret(err, s.o.Username, secret)
	}
	return nil
}

// failed turns an error of go-smtp or of the connection into one with its stage.
func failed(stage forwarder.Stage, err error) *Error {
	var r *gosmtp.SMTPError
	if !errors.As(err, &r) {
		return &Error{Stage: stage, Err: err}
	}
	return &Error{Stage: stage, Code: r.Code, Enhanced: forwarder.EnhancedCode(r.EnhancedCode), Text: forwarder.OneLine(r.Message)}
}

// handshakeConn is the connection as go-smtp's client sees it during the
// handshake. It adds three things that the client does not have.
type handshakeConn struct {
	net.Conn
	// greeting is read before anything of the connection. The client expects a
	// greeting on each new connection, and behind STARTTLS there is none.
	greeting *strings.Reader
	// wrote is set once the client has sent something. The client returns one
	// error for greeting and EHLO; this tells them apart.
	wrote bool
	// left bounds what the server may say, in octets: the client would collect
	// the lines of one reply without end.
	left int
}

// Read implements io.Reader.
func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.greeting.Len() > 0 {
		return c.greeting.Read(p)
	}
	if c.left <= 0 {
		return 0, ErrProtocol
	}
	n, err := io.LimitReader(c.Conn, int64(c.left)).Read(p)
	c.left -= n
	return n, err
}

// Write implements io.Writer.
func (c *handshakeConn) Write(p []byte) (int, error) {
	c.wrote = true
	return c.Conn.Write(p)
}
