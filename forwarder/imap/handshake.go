package imap

import (
	"context"
	"fmt"

	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
	"github.com/popferry/popferry/forwarder/queue"
)

// dial connects and brings a session to the point where it takes messages. When
// ctx is done the connection is closed, whatever it waits for.
func dial(ctx context.Context, o *Options, q *quirks) (*session, queue.Failure) {
	return queue.Dial(ctx, func(before queue.Attempt) *session { return &session{o: o, quirk: q, Attempt: before} })
}

// Connect is dial on one connection. After a failure it is closed.
func (s *session) Connect(ctx context.Context) queue.Failure {
	conn, err := s.o.Dial(ctx)
	if err != nil {
		return &Error{Stage: forwarder.StageDial, Err: err}
	}
	var report func(bool, string)
	if s.o.Trace != nil {
		report = s.o.Trace()
	}
	s.Conn = wire.New(conn, s.o.Timeout, report)
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
	greeting, err := s.Greeting()
	switch {
	case err != nil:
		return failed(forwarder.StageGreeting, err)
	case greeting.Status == "BYE":
		return refused(s.outcome(greeting, forwarder.StageGreeting))
	}
	s.o.Greeted(printable.Reply(greeting.Text))
	if fail := s.askCapabilities(forwarder.StageHello); fail != nil {
		return fail
	}
	s.o.Passed(forwarder.StageHello)
	known := greeting.Status == "PREAUTH"
	if s.o.StartTLS != nil {
		if known {
			// TLS cannot begin any more, and in clear anybody can say PREAUTH (RFC 9051
			// 7.1.4).
			return failed(forwarder.StageTLS, fmt.Errorf("%w: the server greets with PREAUTH before TLS", ErrProtocol))
		}
		if fail := s.startTLS(ctx); fail != nil {
			return fail
		}
		s.o.Passed(forwarder.StageTLS)
	}
	if s.o.Username != "" && !known {
		s.Forget() // before the login many servers tell but a few (RFC 9051 6.2.2)
		if fail := s.login(ctx); fail != nil {
			return fail
		}
		s.o.Passed(forwarder.StageAuth)
	}
	if fail := s.askCapabilities(forwarder.StageAuth); fail != nil {
		return fail
	}
	return s.introduce()
}

// introduce says who we are (RFC 2971): some servers let nobody in who does not.
func (s *session) introduce() *Error {
	if !s.caps().Has("ID") {
		return nil
	}
	if _, err := s.Do(`ID ("name" "popferry")`); err != nil {
		return s.broken(forwarder.StageAuth, err)
	}
	return nil
}

// askCapabilities asks for the capabilities (RFC 9051 6.1.1) unless the server has
// told them.
func (s *session) askCapabilities(stage forwarder.Stage) *Error {
	if _, told := s.Capabilities(); told {
		return nil
	}
	r, err := s.Do("CAPABILITY")
	_, told := s.Capabilities()
	switch {
	case err != nil:
		return s.broken(stage, err)
	case !r.OK():
		return refused(s.outcome(r, stage))
	case !told:
		return failed(stage, fmt.Errorf("%w: no capabilities in the answer to CAPABILITY", ErrProtocol))
	}
	return nil
}

// broken is why the connection ended: the server's BYE, if it said one.
func (s *session) broken(stage forwarder.Stage, err error) *Error {
	if bye := s.Bye(); bye != nil {
		return refused(s.outcome(bye, stage))
	}
	return failed(stage, err)
}

// startTLS sends STARTTLS and puts TLS around the connection (RFC 9051 6.2.1).
func (s *session) startTLS(ctx context.Context) *Error {
	if !s.caps().Has("STARTTLS") {
		return &Error{Stage: forwarder.StageTLS, Err: ErrNoSTARTTLS}
	}
	r, err := s.Do("STARTTLS")
	switch {
	case err != nil:
		return s.broken(forwarder.StageTLS, err)
	case !r.OK():
		return refused(s.outcome(r, forwarder.StageTLS))
	case s.Unread():
		// Sent in clear, to be believed behind TLS (the reverse of CVE-2011-0411).
		return failed(forwarder.StageTLS, fmt.Errorf("%w: more data behind the answer to STARTTLS", ErrProtocol))
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := s.o.StartTLS(ctx, s.Below())
	if err != nil {
		return failed(forwarder.StageTLS, err)
	}
	s.Continue(conn)
	return s.askCapabilities(forwarder.StageTLS)
}
