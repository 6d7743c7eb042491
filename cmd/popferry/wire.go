package main

import (
	"net"
	"net/http"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/progress"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtp"
)

// wiring is what outlives a configuration that is read again: what connections
// are made with, and who looks on.
type wiring struct {
	network *dial.Network // answers of the DNS and TLS sessions, for all to share
	tracing tracing       // of run --trace
	board   *progress.Tracker
	pools   *pools

	resolver  *net.Resolver     // for init; nil is the system's
	transport http.RoundTripper // for init; nil is the usual one
}

func newWiring() wiring { return wiring{network: dial.NewNetwork(), pools: new(pools)} }

// dialer is how a server of the configuration is reached.
func (w wiring) dialer(s config.Server) (*dial.Dialer, error) { return w.network.New(dialTarget(s)) }

// dialTarget is a server of the configuration as package dial wants it.
func dialTarget(s config.Server) dial.Target {
	mode, _ := dial.ParseMode(s.TLS.Mode) // the configuration is checked
	return dial.Target{
		Host:    s.Host,
		Port:    s.Port,
		Timeout: s.Timeout,
		TLS: dial.TLS{
			Mode:       mode,
			CAFile:     s.TLS.CAFile,
			Pin:        s.TLS.Pin,
			ServerName: s.TLS.ServerName,
			Min:        s.TLS.Min,
			CertFile:   s.TLS.CertFile,
			KeyFile:    s.TLS.KeyFile,
		},
	}
}

// pool is the sessions with a destination, for these accounts.
func (w wiring) pool(d config.Destination, accounts []config.Account) (*sharedPool, error) {
	dialer, err := w.dialer(d.Server)
	if err != nil {
		return nil, err
	}
	wanted := poolSettings{destination: settingsOf(d), dialer: dialer, traced: w.tracing.shows(d.Name, accounts)}
	return w.pools.take(wanted, d.Secret, func(secret secret) *smtp.Pool {
		return newPool(d, dialer, secret, w.tracing.ofDestination(d.Name, accounts))
	}), nil
}

// newPool makes the sessions with a destination.
func newPool(d config.Destination, dialer *dial.Dialer, s secret, trace func() func(bool, string)) *smtp.Pool {
	o := smtpOptions(d)
	o.Dial, o.StartTLS, o.Secret, o.Trace = dialer.Dial, dialer.StartTLSConfig(), s, trace
	return smtp.New(o)
}

// smtpOptions is a destination as the forwarder wants it, but for how to connect.
func smtpOptions(d config.Destination) smtp.Options {
	return smtp.Options{
		LMTP:        d.Protocol == config.ProtocolLMTP,
		Helo:        d.Helo,
		Username:    d.Username,
		Secret:      d.Secret.Get,
		Auth:        smtp.Method(d.Auth),
		Connections: d.Connections,
		InFlight:    d.InFlight,
		Timeout:     d.Timeout,
	}
}

// account is an account of the configuration as the fetcher wants it, but for
// its destination.
func (w wiring) account(c config.Account) (fetcher.Account, error) {
	dialer, err := w.dialer(c.Server)
	if err != nil {
		return fetcher.Account{}, err
	}
	return fetcher.Account{
		Name: c.Name,
		Source: mailbox.Source{
			Host:        c.Host,
			Addr:        dialer.Addr(),
			Dial:        dialer.Dial,
			StartTLS:    dialer.StartTLSConfig(),
			Secure:      c.TLS.Mode != config.TLSNone,
			Credentials: pop3.Credentials{Method: pop3.Method(c.Auth), Username: c.Username, Secret: c.Secret.Get, Token: c.Token},
			Timeout:     c.Timeout,
			Hides:       c.RETRHides,
			Trace:       w.tracing.of(c.Name),
		},
		Policy: identify.Policy{
			Keep:        c.Leave.Keep,
			KeepFor:     c.Leave.For,
			OnlyNew:     c.FirstRun == config.FirstRunNew,
			MaxSize:     c.MaxSize,
			MinInterval: c.MinInterval,
		},
	}, nil
}

// newReject is what becomes of mail that a destination refuses.
func newReject(f config.Destination) (fetcher.Reject, fetcher.Quarantiner) {
	switch f.OnReject {
	case config.RejectWrap:
		return fetcher.Wrap, nil
	case config.RejectQuarantine:
		return fetcher.Quarantine, maildir.New(f.QuarantineDir)
	default:
		return fetcher.Hold, nil
	}
}

// newDestination is where an account's mail goes, and under which envelope.
func (a *instance) newDestination(c config.Account) fetcher.Destination {
	d := fetcher.Destination{Name: c.Forward, Forwarder: meter(a.pools[c.Forward], c.Forward, a.metrics), Recipients: c.To}
	for _, f := range a.cfg.Forward {
		if f.Name == c.Forward {
			d.OnReject, d.Quarantine = newReject(f)
		}
	}
	switch c.From {
	case config.SenderOriginal:
		d.Original = true
	case config.SenderNull:
	default:
		d.Sender = c.From
	}
	return d
}
