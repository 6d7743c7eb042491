package discover

import (
	"context"
	"errors"
	"fmt"
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

// maxConnections is how many servers First tries at once.
const maxConnections = 8

// First connects to the candidates, in their order and several at once, and
// returns the first of the list that answers, and why those before it did not. If
// none does, ok is false and all have failed.
func (f *Finder) First(ctx context.Context, p Protocol, candidates []Candidate) (best Candidate, failed []Attempt, ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait() // no goroutine outlives the call
	defer cancel()
	answers := make([]chan error, len(candidates))
	next := make(chan int, len(candidates))
	for i := range candidates {
		answers[i] = make(chan error, 1)
		next <- i
	}
	close(next)
	for range min(maxConnections, len(candidates)) {
		all.Go(func() {
			for i := range next {
				answers[i] <- f.greet(ctx, p, candidates[i])
			}
		})
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

// tls is how a candidate is verified.
func (c Candidate) tls(caFile string) dial.TLS {
	if c.Pin != "" {
		caFile = ""
	}
	return dial.TLS{Mode: c.TLS, CAFile: caFile, Pin: c.Pin}
}

// greet finds out whether a server speaks a protocol, in TLS unless its mode is
// dial.None.
func (f *Finder) greet(ctx context.Context, p Protocol, c Candidate) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	d, err := f.Network(c).New(dial.Target{Host: c.Host, Port: c.Port, Timeout: f.o.Timeout, TLS: c.tls(f.o.CAFile)})
	if err != nil {
		return err
	}
	switch p {
	case POP3:
		return greetPOP3(ctx, d, f.o.Timeout)
	case IMAP:
		return greetIMAP(ctx, d)
	case Submission, LMTP:
	}
	pool := smtp.New(smtp.Options{Dial: d.Dial, StartTLS: d.Upgrade(), LMTP: p == LMTP, Timeout: f.o.Timeout})
	defer pool.Close()
	return pool.Check(ctx)
}

// Network makes the connections to a candidate, then and later: Rules apply to each
// of them, because the name may mean another address by then.
func (f *Finder) Network(c Candidate) *dial.Network {
	switch {
	case c.Foreign:
		return f.foreign
	case c.Guessed:
		return f.guessed
	}
	return f.o.Network
}

// greetPOP3 goes as far as one can without a user name. A server may refuse
// CAPA (RFC 2449 is not RFC 1939).
func greetPOP3(ctx context.Context, d *dial.Dialer, limit time.Duration) error {
	c, _, err := pop3.Open(ctx, pop3.Config{
		Dial: d.Dial, StartTLS: d.Upgrade(), Options: pop3.Options{Timeout: limit, SessionTimeout: limit}, Until: pop3.StepCapa,
	}, nil)
	var failed *pop3.OpenError
	switch {
	case errors.As(err, &failed) && failed.Step == pop3.StepConnect:
		return failed.Err // it names the address
	case err != nil:
		return fmt.Errorf("%s: %w", d.Addr(), err)
	}
	defer c.Close()
	_ = c.Quit(ctx) // it has shown what it is
	return nil
}
