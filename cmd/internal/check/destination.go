package check

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/forwarder/smtp"
)

// stepTimeout bounds the wait for each answer. A server that takes longer is
// reported, although a poll would wait for it.
const stepTimeout = 30 * time.Second

// sizeLimit is the size that a destination announces, once it is known.
type sizeLimit struct {
	octets int64
	known  chan struct{}
	once   sync.Once
}

func newSizeLimit() *sizeLimit { return &sizeLimit{known: make(chan struct{})} }

// set sets the limit, the first time that it is called; 0: none, or not known.
func (l *sizeLimit) set(octets int64) {
	l.once.Do(func() {
		l.octets = octets
		close(l.known)
	})
}

// get waits until the limit is set.
func (l *sizeLimit) get() int64 {
	<-l.known
	return l.octets
}

// destination returns the target of a destination, which sets size.
func (c *checker) destination(d config.Destination, size *sizeLimit) (target, error) {
	if d.Protocol == config.ProtocolMaildir {
		return c.maildir(d, size), nil
	}
	d.Timeout = min(d.Timeout, stepTimeout)
	dialer, err := c.Resources.Dialer(d.Server)
	if err != nil {
		return target{}, err
	}
	if d.Protocol == config.ProtocolIMAP {
		return c.imap(d, dialer, size), nil
	}
	relay := probe.Relay{Name: d.Name, Dialer: dialer, Options: app.SMTPOptions(d), Envelopes: c.envelopes(d)}
	relay.Options.DotTimeout = stepTimeout // a test message may arrive twice
	protocol := probe.SMTP
	if d.Protocol == config.ProtocolLMTP {
		protocol = probe.LMTP
	}
	try := func(ctx context.Context, report func(Step)) error {
		defer size.set(0)
		c.signIn(ctx, d.Server, report)
		reportProbe := withSubmission(d, c.reporter(ctx, d.Server, protocol, report))
		octets, err := probe.Destination(ctx, relay, reportProbe)
		size.set(octets)
		if err == nil && c.Send && len(relay.Envelopes) > 0 {
			letter, own := c.letters(d, relay.Envelopes[0])
			err = probe.Send(ctx, relay, letter, own, reportProbe)
		}
		return err
	}
	return target{kindDestination, d.Name, dialer.Addr(), try}, nil
}

// envelopes returns the senders that a destination gets, each with all
// recipients that it gets from that sender.
func (c *checker) envelopes(d config.Destination) []smtp.Envelope {
	var list []smtp.Envelope
	add := func(from string, to []string) {
		sender := from
		if from == config.SenderOriginal || from == config.SenderNull {
			sender = "" // the one sender that all servers have to accept (RFC 5321 4.5.5)
		}
		i := slices.IndexFunc(list, func(e smtp.Envelope) bool { return e.Sender == sender })
		if i < 0 {
			i, list = len(list), append(list, smtp.Envelope{Sender: sender})
		}
		for _, r := range to {
			if !slices.Contains(list[i].Recipients, r) {
				list[i].Recipients = append(list[i].Recipients, r)
			}
		}
	}
	used := false
	for _, a := range c.Config.Accounts {
		if a.Enabled && a.Forward == d.Name {
			used = true
			add(a.From, a.To)
		}
	}
	if !used && len(d.To) > 0 {
		add(d.From, d.To)
	}
	return list
}
