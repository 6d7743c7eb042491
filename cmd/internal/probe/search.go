package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Protocol is what a server should speak.
type Protocol uint8

// The protocols.
const (
	POP3 Protocol = iota
	SMTP
	LMTP
	IMAP
)

// Way is a port and how TLS begins there.
type Way struct {
	Port int
	Mode dial.Mode
}

// String is the way as the configuration writes it.
func (w Way) String() string { return fmt.Sprintf("port: %d, tls: %v", w.Port, w.Mode) }

// Ways are the registered ports of a protocol, the best first (RFC 8314 sections
// 3 and 4, RFC 6409 section 3.1, RFC 9051 section 2.1). LMTP has none, and must not be spoken on those
// of SMTP (RFC 2033 section 5).
func (p Protocol) Ways() []Way {
	switch p {
	case SMTP:
		return []Way{{465, dial.Implicit}, {587, dial.StartTLS}, {25, dial.StartTLS}}
	case LMTP:
		return nil
	case IMAP:
		return []Way{{993, dial.Implicit}, {143, dial.StartTLS}}
	}
	return []Way{{995, dial.Implicit}, {110, dial.StartTLS}}
}

// Answer is a way that leads to a server.
type Answer struct {
	Way
	// Err is a *dial.CertificateError if only the certificate is wrong.
	Err error
}

// wayTimeout is the limit for each way: a slower one is of no help.
const wayTimeout = 5 * time.Second

// Search tries ways to a host, all at once, and returns those that answer, in
// the order of ways, without a login. One that answers but does not encrypt is
// returned with dial.None. The target has the host and what its certificate is
// verified by.
func Search(ctx context.Context, network *dial.Network, target dial.Target, p Protocol, ways []Way) []Answer {
	ctx, cancel := context.WithTimeout(ctx, wayTimeout)
	defer cancel()
	found := make([]chan *Answer, len(ways))
	for i, w := range ways {
		found[i] = make(chan *Answer, 1)
		go func() { found[i] <- try(ctx, network, target, p, w) }()
	}
	var answers []Answer
	for _, f := range found {
		if a := <-f; a != nil {
			answers = append(answers, *a)
		}
	}
	return answers
}

// try tries one way; nil if nothing answers.
func try(ctx context.Context, network *dial.Network, target dial.Target, p Protocol, w Way) *Answer {
	target.Port, target.TLS.Mode, target.Timeout = w.Port, w.Mode, wayTimeout
	d, err := network.New(target)
	if err != nil {
		return nil
	}
	greet := greetPOP3
	switch p {
	case POP3:
	case SMTP:
		greet = greetSMTP(false)
	case LMTP:
		greet = greetSMTP(true)
	case IMAP:
		greet = greetIMAP
	}
	err = greet(ctx, d)
	var certificate *dial.CertificateError
	switch {
	case err == nil:
		return &Answer{Way: w}
	case errors.As(err, &certificate):
		return &Answer{w, certificate}
	case errors.Is(err, errClear):
		return &Answer{Way: Way{w.Port, dial.None}}
	}
	return nil
}

// errClear: there is a server, but it does not encrypt.
var errClear = errors.New("the server does not encrypt")

func greetPOP3(ctx context.Context, d *dial.Dialer) error {
	c, _, err := pop3.Open(ctx, pop3.Config{
		Dial: d.Dial, StartTLS: d.Upgrade(), Options: pop3.Options{Timeout: wayTimeout}, Until: pop3.StepSTLS,
	}, nil)
	var failed *pop3.OpenError
	var refused *pop3.Error
	if errors.As(err, &failed) && failed.Step == pop3.StepSTLS && errors.As(err, &refused) {
		return errClear
	}
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.Quit(ctx) // out of courtesy
	return nil
}

func greetSMTP(lmtp bool) func(context.Context, *dial.Dialer) error {
	return func(ctx context.Context, d *dial.Dialer) error {
		_, err := smtp.Probe(ctx, smtp.Options{LMTP: lmtp, Dial: d.Dial, StartTLS: d.Upgrade(), Timeout: wayTimeout}, nil, nil)
		if errors.Is(err, smtp.ErrNoSTARTTLS) {
			return errClear
		}
		return err
	}
}

func greetIMAP(ctx context.Context, d *dial.Dialer) error {
	pool := imap.New(imap.Options{Dial: d.Dial, StartTLS: d.Upgrade(), Timeout: wayTimeout})
	defer func() { _ = pool.Close() }()
	err := pool.Greet(ctx)
	if errors.Is(err, imap.ErrNoSTARTTLS) {
		return errClear
	}
	return err
}
