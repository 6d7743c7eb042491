package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtp"
)

// sessions deliver to one destination by its protocol. Where the destination can be
// asked for messages in doubt, they are a doubt.Finder too.
type sessions interface {
	fetcher.Forwarder
	// Send delivers one message, for which nothing is recorded.
	Send(context.Context, *forwarder.Message) ([]forwarder.Outcome, error)
	// Check logs in, and out again.
	Check(context.Context) error
	// learnt is what was learnt of the destination, for the next ones.
	learnt() string
	// Close waits for the deliveries that are under way.
	Close() error
}

// smtpSessions are those over SMTP and LMTP.
type smtpSessions struct{ *smtp.Pool }

// Submit implements fetcher.Forwarder.
func (s smtpSessions) Submit(m *forwarder.Message) fetcher.Delivery { return s.Pool.Submit(m) }

func (s smtpSessions) learnt() string { return formatFacts(s.Facts()) }

// maildirSessions are those with a folder of this machine.
type maildirSessions struct{ *maildir.Destination }

// Submit implements fetcher.Forwarder.
func (s maildirSessions) Submit(m *forwarder.Message) fetcher.Delivery {
	return s.Destination.Submit(m)
}

func (maildirSessions) learnt() string { return "" }

// imapSessions are those over IMAP.
type imapSessions struct{ *imap.Pool }

// Submit implements fetcher.Forwarder.
func (s imapSessions) Submit(m *forwarder.Message) fetcher.Delivery { return s.Pool.Submit(m) }

func (s imapSessions) learnt() string { return formatFacts(s.Facts()) }

// Send delivers one message, for which nothing is recorded.
func (s imapSessions) Send(ctx context.Context, m *forwarder.Message) ([]forwarder.Outcome, error) {
	d := s.Pool.Submit(m)
	defer d.Done()
	return d.Wait(ctx, nil)
}

// Find implements doubt.Finder.
func (s imapSessions) Find(ctx context.Context, sought []forwarder.Sought) ([]bool, error) {
	lie, err := s.Pool.Find(ctx, sought)
	found := make([]bool, len(sought))
	for i, m := range sought {
		_, found[i] = lie[m.Trace]
	}
	return found, err
}

// Traces implements doubt.Finder.
func (s imapSessions) Traces(ctx context.Context, folder string) (map[string]bool, error) {
	return s.Pool.Traces(ctx, folder)
}

// parseFacts reads what was learnt of a destination before. Nothing depends on
// it, so what cannot be read does not count.
func parseFacts[T any](text string) (facts T) {
	if json.Unmarshal([]byte(text), &facts) != nil {
		return *new(T)
	}
	return facts
}

// formatFacts writes them as parseFacts reads them.
func formatFacts(facts any) string {
	text, _ := json.Marshal(facts) // times out of range cannot be written; nor are they
	return string(text)
}

// SMTPOptions returns a destination as package smtp wants it, without how to
// connect.
func SMTPOptions(d config.Destination) smtp.Options {
	return smtp.Options{
		LMTP:        d.Protocol == config.ProtocolLMTP,
		Helo:        d.Helo,
		Username:    d.Username,
		Secret:      d.Secret.Get,
		Token:       d.Token,
		Auth:        login.Method(d.Auth),
		Connections: d.Connections,
		InFlight:    d.InFlight,
		Timeout:     d.Timeout,
	}
}

// IMAPOptions returns a destination as package imap wants it, without how to
// connect.
func IMAPOptions(d config.Destination) imap.Options {
	p, _ := provider.ForHost(d.Host)
	return imap.Options{
		Username:     d.Username,
		Secret:       d.Secret.Get,
		Token:        d.Token,
		Auth:         login.Method(d.Auth),
		Folder:       d.Folder,
		CreateFolder: d.CreateFolder,
		MaxSize:      p.IMAPLimits.AppendLimit,
		Connections:  d.Connections,
		InFlight:     d.InFlight,
		Timeout:      d.Timeout,
	}
}

// MaildirOptions returns a destination as package maildir wants it.
func MaildirOptions(d config.Destination) maildir.Options {
	return maildir.Options{Path: d.Path, Folder: d.Folder, Create: d.CreateFolder}
}

// pool returns the pool of a destination that these accounts may use. A new one
// begins with these facts, as the ledger has them, and with these slots. The caller
// releases it.
func (r Resources) pool(d config.Destination, accounts []config.Account, facts string, slots *slots) (*sharedPool, error) {
	var dialer *dial.Dialer // nil: the destination is no server
	if d.Protocol != config.ProtocolMaildir {
		var err error
		if dialer, err = r.Dialer(d.Server); err != nil {
			return nil, err
		}
	}
	wanted := poolSettings{destination: settingsOf(d), dialer: dialer, traced: r.Trace.covers(d.Name, accounts)}
	return r.Pools.acquire(wanted, d.Secret, slots, func(secret secretFunc, connect dialFunc) sessions {
		return open(d, dialer, connect, secret, facts, slots.connect, r.Trace.ofDestination(d.Name, accounts))
	}), nil
}

// open returns the sessions with a destination, without opening anything.
func open(d config.Destination, dialer *dial.Dialer, connect dialFunc, secret secretFunc, facts string, slot func(context.Context) (func(), error), trace func() func(bool, string)) sessions {
	switch d.Protocol {
	case config.ProtocolMaildir:
		return maildirSessions{maildir.NewDestination(MaildirOptions(d))}
	case config.ProtocolIMAP:
		o := IMAPOptions(d)
		o.Facts = parseFacts[imap.Facts](facts)
		o.Dial, o.StartTLS, o.Secret, o.Trace, o.Slot = connect, dialer.Upgrade(), secret, trace, slot
		return imapSessions{imap.New(o)}
	}
	o := SMTPOptions(d)
	o.Facts = parseFacts[smtp.Facts](facts)
	o.Dial, o.StartTLS, o.Secret, o.Trace, o.Slot = connect, dialer.Upgrade(), secret, trace, slot
	return smtpSessions{smtp.New(o)}
}

// OwnAddress is the address of a destination that has folders: popferry's own
// messages there, and wrapped ones, are from it and to it.
func OwnAddress(d config.Destination) string {
	switch {
	case strings.Contains(d.Username, "@") && forwarder.IsMailbox(d.Username):
		return d.Username
	case d.Username != "" && forwarder.IsMailbox(d.Username+"@"+d.Host):
		return d.Username + "@" + d.Host
	}
	return "popferry@localhost"
}
