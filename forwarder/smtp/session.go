package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/popferry/popferry/forwarder"
)

// session is one open session: greeted, behind TLS where that is wanted, and
// logged in. Several transactions can be on it at a time, one behind the other.
type session struct {
	*wire
	o     *Options
	quirk *quirks
	raw   net.Conn // what is closed when something fails
	trace *traced  // nil: nobody is told
	offer offer

	// over tells that nothing new may be put on it.
	over atomic.Bool

	// With the right to read:

	// signs tell what a reply is about.
	signs signs
	// lost is why nothing can be read any more. The connection is closed then.
	lost error
	// closing is the 421 by which the server said that it ends the session, as
	// long as it says nothing more.
	closing *reply

	// Under the lock of the queue:

	depth  int         // transactions that it takes at a time
	load   int         // those that it has
	last   *turn       // the end of its line
	used   bool        // it has had one
	since  time.Time   // when it became idle
	expiry *time.Timer // ends it when it stays idle
}

// quirks are what was learnt of a server that does not keep what it offers.
type quirks struct {
	lockstep atomic.Bool // one command at a time
	noBDAT   atomic.Bool
}

// offer is what matters of the server's reply to EHLO.
type offer struct {
	size     int64 // RFC 1870; 0: no limit is known
	sizes    bool  // SIZE= is understood
	eightBit bool  // RFC 6152
	utf8     bool  // RFC 6531
	pipeline bool  // RFC 2920
	chunking bool  // RFC 3030
}

// dial dials and brings a session to where it takes mail.
// When ctx is done the connection is closed, whatever it waits for.
func dial(ctx context.Context, o *Options, q *quirks) (*session, *Error) {
	conn, err := o.Dial(ctx)
	if err != nil {
		return nil, &Error{Stage: forwarder.StageDial, Err: err}
	}
	s := &session{o: o, quirk: q, raw: rawConn(conn)}
	s.speakOn(conn)
	stop := context.AfterFunc(ctx, s.abort)
	fail := s.begin(ctx)
	if !stop() && fail == nil { // closed at the last moment
		fail = &Error{Stage: forwarder.StageDial, Err: context.Cause(ctx)}
	}
	if fail != nil {
		s.abort()
		return nil, fail
	}
	s.depth = s.takes()
	return s, nil
}

// begin goes from the greeting to the login.
func (s *session) begin(ctx context.Context) *Error {
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
		// What was said in clear counts for nothing (RFC 3207 4.2).
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
	s.offer = offered(c)
	return nil
}

// hello has go-smtp's client read the greeting and say EHLO or LHLO, or HELO to
// a server that knows no other. Behind STARTTLS the greeting is given.
func (s *session) hello(greeting string) (*gosmtp.Client, *Error) {
	conn := newOpening(s.conn, greeting)
	c := gosmtp.NewClient(conn)
	if s.o.LMTP {
		c = gosmtp.NewClientLMTP(conn)
	}
	c.CommandTimeout = s.o.Timeout
	if err := c.Hello(heloName(s.o.Helo, s.raw.LocalAddr())); err != nil {
		if !conn.spoken {
			return nil, failed(forwarder.StageGreeting, err)
		}
		return nil, failed(forwarder.StageHello, err)
	}
	return c, nil
}

// startTLS sends STARTTLS and puts TLS around the connection. go-smtp's own
// introduces itself as localhost and keeps the new connection to itself.
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
		// Sent in clear, to be believed behind TLS (CVE-2011-0411 the other way).
		return failed(forwarder.StageTLS, fmt.Errorf("%w: more than a reply to STARTTLS", ErrProtocol))
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	below := s.conn
	if s.trace != nil {
		below = s.trace.Conn
	}
	conn := tls.Client(below, s.o.StartTLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		return failed(forwarder.StageTLS, err)
	}
	s.speakOn(conn)
	return nil
}

// speakOn has the dialogue go on on a connection.
func (s *session) speakOn(conn net.Conn) {
	if s.o.Trace != nil {
		next := &traced{Conn: conn}
		if s.trace != nil {
			next.tell = s.trace.tell // the same one, now under TLS
		} else {
			next.tell = s.o.Trace()
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

// offered reads what matters out of the reply to EHLO.
func offered(c *gosmtp.Client) offer {
	size, _ := c.MaxMessageSize()
	var o offer
	o.size = int64(size)
	o.sizes, _ = c.Extension("SIZE")
	o.eightBit, _ = c.Extension("8BITMIME")
	o.utf8, _ = c.Extension("SMTPUTF8")
	o.pipeline, _ = c.Extension("PIPELINING")
	o.chunking, _ = c.Extension("CHUNKING")
	return o
}

// pipelines tells whether commands may go out without a wait for the replies
// to those before.
func (s *session) pipelines() bool { return s.offer.pipeline && !s.quirk.lockstep.Load() }

// chunks tells whether messages go out by BDAT. In LMTP, where the number of
// replies hangs on the recipients that were accepted, they don't.
func (s *session) chunks() bool { return s.offer.chunking && !s.o.LMTP && !s.quirk.noBDAT.Load() }

// takes is how many transactions a session takes at a time: one that waits
// behind the final dot of another where that is all that can be had, as many
// as may be in flight where whole messages go out without a wait.
func (s *session) takes() int {
	switch {
	case !s.pipelines():
		return 1
	case !s.chunks():
		return 2
	}
	return s.o.InFlight
}

// abort closes the connection as it is. It can be called at any time and more
// than once. A TLS connection is not told, for that could block.
func (s *session) abort() { _ = s.raw.Close() }

// quit ends the session politely. Nothing depends on the answer.
func (s *session) quit() {
	limit := time.AfterFunc(quitTimeout, s.abort)
	defer limit.Stop()
	_, _ = s.command("QUIT")
	s.abort()
}

// rawConn returns the connection below all TLS.
func rawConn(c net.Conn) net.Conn {
	for {
		over, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = over.NetConn()
	}
}

// failed turns an error of go-smtp or the connection into one with its stage.
func failed(stage forwarder.Stage, err error) *Error {
	var r *gosmtp.SMTPError
	if !errors.As(err, &r) {
		return &Error{Stage: stage, Err: err}
	}
	return &Error{Stage: stage, Code: r.Code, Enhanced: forwarder.EnhancedCode(r.EnhancedCode), Text: oneLine(r.Message)}
}
