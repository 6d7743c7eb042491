package smtptest

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"net"
	"slices"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/popferry/popferry/forwarder"
)

// Message is one accepted message.
type Message struct {
	Connection int    // counts from 1
	Sender     string // without angle brackets
	Recipients []string
	BodyType   string // the BODY parameter, "" without
	UTF8       bool   // the SMTPUTF8 parameter
	Size       int64  // octets
	SHA256     [sha256.Size]byte
	Data       []byte // the octets without dot-stuffing; nil with HashOnly
}

// session implements gosmtp.LMTPSession and gosmtp.AuthSession.
type session struct {
	s        *Server
	c        *conn
	loggedIn bool
	m        Message // the transaction's
}

// newSession is called at EHLO, HELO or LHLO.
func (s *Server) newSession(gc *gosmtp.Conn) (gosmtp.Session, error) {
	nc := gc.Conn()
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn() // STARTTLS
	}
	se := &session{s: s, c: nc.(*conn)}
	return se, se.fault(forwarder.StageHello, "")
}

// AuthMechanisms implements gosmtp.AuthSession.
func (se *session) AuthMechanisms() []string {
	if se.s.o.Username == "" {
		return nil
	}
	return se.s.o.Mechanisms
}

// Auth implements gosmtp.AuthSession.
func (se *session) Auth(mech string) (sasl.Server, error) {
	if !slices.Contains(se.AuthMechanisms(), mech) {
		return nil, gosmtp.ErrAuthUnknownMechanism
	}
	return mechanism(mech, se.s.o.Username, se.s.o.Password, func() { se.loggedIn = true })
}

// Mail implements gosmtp.Session.
func (se *session) Mail(from string, o *gosmtp.MailOptions) error {
	if se.s.o.Username != "" && !se.loggedIn {
		return refusal(530, forwarder.EnhancedCode{5, 7, 0}, "authentication required")
	}
	if !se.count() {
		return refusal(421, forwarder.EnhancedCode{4, 7, 0}, "too many messages in one connection")
	}
	se.m = Message{Connection: se.c.number, Sender: from, BodyType: string(o.Body), UTF8: o.UTF8}
	se.s.mu.Lock()
	se.c.size = o.Size
	se.s.mu.Unlock()
	return se.fault(forwarder.StageMail, from)
}

// Rcpt implements gosmtp.Session.
func (se *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if err := se.fault(forwarder.StageRcpt, to); err != nil {
		return err
	}
	se.m.Recipients = append(se.m.Recipients, to)
	return nil
}

// Data implements gosmtp.Session.
func (se *session) Data(r io.Reader) error {
	m, err := se.receive(r)
	if err != nil {
		return err
	}
	f := se.s.ask(se.c, forwarder.StageDot, "", m.Data)
	if f.harmless() || f.Keep {
		se.keep(m)
	}
	return se.s.misbehave(se.c, f)
}

// LMTPData implements gosmtp.LMTPSession.
func (se *session) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	m, err := se.receive(r)
	if err != nil {
		return err
	}
	all := m.Recipients
	m.Recipients = nil
	faults := make([]Fault, len(all))
	for i, to := range all {
		faults[i] = se.s.ask(se.c, forwarder.StageDot, to, m.Data)
		if faults[i].harmless() || faults[i].Keep {
			m.Recipients = append(m.Recipients, to)
		}
	}
	if len(m.Recipients) > 0 {
		se.keep(m)
	}
	for i, to := range all {
		status.SetStatus(to, se.s.misbehave(se.c, faults[i]))
	}
	return nil
}

// Reset implements gosmtp.Session.
func (se *session) Reset() { se.m = Message{} }

// Logout implements gosmtp.Session.
func (se *session) Logout() error { return nil }

// fault does what the fault at an event says.
func (se *session) fault(stage forwarder.Stage, address string) error {
	return se.s.misbehave(se.c, se.s.ask(se.c, stage, address, nil))
}

// receive reads the message's octets.
func (se *session) receive(r io.Reader) (Message, error) {
	m := se.m
	hash, data := sha256.New(), &bytes.Buffer{}
	w := io.MultiWriter(hash, data)
	if se.s.o.HashOnly {
		w = hash
	}
	f := se.s.ask(se.c, forwarder.StageBody, "", nil)
	n, err := io.CopyN(w, r, f.After)
	if err == nil {
		err = se.s.misbehave(se.c, f)
	}
	if err != nil {
		return m, err
	}
	rest, err := io.Copy(w, r)
	if err == nil && se.c.over() {
		err = net.ErrClosed
	}
	m.Size = n + rest
	hash.Sum(m.SHA256[:0])
	if !se.s.o.HashOnly {
		m.Data = data.Bytes()
	}
	return m, err
}

// count counts a MAIL and reports whether the connection may have another
// message.
func (se *session) count() bool {
	se.s.mu.Lock()
	defer se.s.mu.Unlock()
	se.s.mails++
	se.c.mail = se.s.mails
	return se.s.o.PerConnection == 0 || se.c.messages < se.s.o.PerConnection
}

// keep adds an accepted message to the server's.
func (se *session) keep(m Message) {
	s := se.s
	s.mu.Lock()
	defer s.mu.Unlock()
	se.c.messages++
	s.messages = append(s.messages, m)
	s.hasChanged()
}
