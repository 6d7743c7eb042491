package main

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

// checkPatience bounds the wait for each answer: what takes longer is not well,
// though a poll would wait for it.
const checkPatience = 30 * time.Second

// limit is the size that a destination takes, once it is known.
type limit struct {
	octets int64
	known  chan struct{}
	once   sync.Once
}

func newLimit() *limit { return &limit{known: make(chan struct{})} }

// set tells it; 0 is for none, or for one that is not known.
func (l *limit) set(octets int64) {
	l.once.Do(func() {
		l.octets = octets
		close(l.known)
	})
}

// get waits until it is known.
func (l *limit) get() int64 {
	<-l.known
	return l.octets
}

// destination is how a destination is tried.
func (k *checker) destination(d config.Destination, size *limit) (subject, error) {
	d.Timeout = min(d.Timeout, checkPatience)
	dialer, err := k.resources.Dialer(d.Server)
	if err != nil {
		return subject{}, err
	}
	relay := probe.Relay{Name: d.Name, Dialer: dialer, Options: app.SMTPOptions(d), Envelopes: k.envelopes(d)}
	relay.Options.DotTimeout = checkPatience // should the test message come twice, no harm is done
	protocol := probe.SMTP
	if d.Protocol == config.ProtocolLMTP {
		protocol = probe.LMTP
	}
	try := func(ctx context.Context, tell func(checkStep)) error {
		defer size.set(0)
		told := k.tried(ctx, d.Server, protocol, tell)
		octets, err := probe.Destination(ctx, relay, told)
		size.set(octets)
		if err == nil && k.send && len(relay.Envelopes) > 0 {
			err = probe.Send(ctx, relay, testLetter(d, relay.Envelopes[0]), told)
		}
		return err
	}
	return subject{kindDestination, d.Name, dialer.Addr(), try}, nil
}

// envelopes are the senders that a destination gets, each with all recipients
// that it gets from that sender.
func (k *checker) envelopes(d config.Destination) []smtp.Envelope {
	var list []smtp.Envelope
	add := func(from string, to []string) {
		sender := from
		if from == config.SenderOriginal || from == config.SenderNull {
			sender = "" // the one sender that all servers have to take (RFC 5321 4.5.5)
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
	for _, a := range k.cfg.Accounts {
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
