package discover

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Attempt is a candidate that did not answer as it should.
type Attempt struct {
	Candidate
	Err error
}

// First connects to all candidates at once and returns the first of the list
// that answers, with what became of those before it. Where none does, ok is
// false and all have failed.
func (f *Finder) First(ctx context.Context, p Protocol, candidates []Candidate) (best Candidate, failed []Attempt, ok bool) {
	limited, cancel := context.WithTimeout(ctx, f.o.Patience)
	var all sync.WaitGroup
	defer all.Wait() // nothing is left behind
	defer cancel()
	answers := make([]chan error, len(candidates))
	for i, c := range candidates {
		answers[i] = make(chan error, 1)
		all.Go(func() { answers[i] <- f.greet(limited, p, c.Server) })
	}
	for i, c := range candidates {
		err := <-answers[i]
		if err == nil {
			return c, failed, true
		}
		failed = append(failed, Attempt{c, err})
	}
	return Candidate{}, failed, false
}

// greet finds out whether a server speaks a protocol, in TLS unless its mode is
// dial.None.
func (f *Finder) greet(ctx context.Context, p Protocol, s Server) error {
	d, err := f.o.Network.New(dial.Target{Host: s.Host, Port: s.Port, Timeout: f.o.Patience, TLS: dial.TLS{Mode: s.TLS, CAFile: f.o.CAFile}})
	if err != nil {
		return err
	}
	if p == POP3 {
		return greetPOP3(ctx, d, f.o.Patience)
	}
	pool := smtp.New(smtp.Options{Dial: d.Dial, StartTLS: d.StartTLSConfig(), LMTP: p == LMTP, Timeout: f.o.Patience})
	defer pool.Close()
	return pool.Check(ctx)
}

// greetPOP3 goes as far as one can without a name.
func greetPOP3(ctx context.Context, d *dial.Dialer, limit time.Duration) error {
	conn, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	return speakPOP3(ctx, conn, d, limit)
}

func speakPOP3(ctx context.Context, conn net.Conn, d *dial.Dialer, limit time.Duration) error {
	c := pop3.New(conn, pop3.Options{Timeout: limit, SessionTimeout: limit})
	defer c.Close()
	if _, err := c.Greeting(ctx); err != nil {
		return fmt.Errorf("%s: greeting: %w", d.Addr(), err)
	}
	if config := d.StartTLSConfig(); config != nil {
		if err := c.StartTLS(ctx, config); err != nil {
			return fmt.Errorf("%s: STLS: %w", d.Addr(), err)
		}
	}
	// A server may know no CAPA (RFC 2449 is not RFC 1939), but has to answer.
	_, _ = c.Capa(ctx)
	if err := c.Err(); err != nil {
		return fmt.Errorf("%s: CAPA: %w", d.Addr(), err)
	}
	_ = c.Quit(ctx) // it has said who it is
	return nil
}
