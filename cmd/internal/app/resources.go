package app

import (
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/filter"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/progress"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/doubt"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/multidrop"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
)

// Resources are what connections are made with, and what observes them. They
// outlive a configuration that is read again.
type Resources struct {
	Network *dial.Network     // DNS answers and TLS sessions, which all connections share
	Pools   *Pools            // sessions with destinations
	Tokens  *oauth.Tokens     // access tokens
	Trace   Trace             // of run --trace
	Tracker *progress.Tracker // nil: progress is not shown
	Filters filter.Slots      // of the commands that look at messages
	Reach   *Reach            // which servers can be reached
}

// NewResources returns resources with an empty cache and no observers.
func NewResources() Resources {
	return Resources{Network: dial.NewNetwork(), Pools: new(Pools), Tokens: new(oauth.Tokens), Filters: filter.NewSlots(maxFilters), Reach: new(Reach)}
}

// maxFilters is how many filters run at once, of all accounts together.
const maxFilters = 8

// Dialer returns a dialer for a server of the configuration.
func (r Resources) Dialer(s config.Server) (*dial.Dialer, error) { return r.Network.New(DialTarget(s)) }

// DialTarget returns a server of the configuration as package dial wants it.
func DialTarget(s config.Server) dial.Target {
	mode, _ := dial.ParseMode(s.TLS.Mode) // the configuration is checked
	return dial.Target{
		Host:    s.Host,
		Port:    s.Port,
		Timeout: s.Timeout,
		Route:   DialRoute(s.Route),
		TLS: dial.TLS{
			Mode:       mode,
			CAFile:     s.TLS.CAFile,
			Pin:        s.TLS.Pin,
			ServerName: s.TLS.ServerName,
			Min:        s.TLS.Min,
			Legacy:     s.TLS.Ciphers == config.CiphersLegacy,
			CertFile:   s.TLS.CertFile,
			KeyFile:    s.TLS.KeyFile,
		},
	}
}

// DialRoute returns how connections are made as package dial wants it.
func DialRoute(r config.Route) dial.Route {
	out := dial.Route{Bind: r.Bind}
	switch r.Family {
	case config.FamilyIPv4:
		out.Family = dial.IPv4
	case config.FamilyIPv6:
		out.Family = dial.IPv6
	}
	p := r.Proxy
	out.Proxy = dial.Proxy{Host: p.Host, Port: p.Port, Username: p.Username, Command: p.Command, Dir: p.Dir}
	if !p.Password.IsZero() {
		out.Proxy.Password = p.Password.Get
	}
	switch p.Kind {
	case config.ProxySOCKS5:
		out.Proxy.Kind = dial.SOCKS5
	case config.ProxyHTTP:
		out.Proxy.Kind = dial.HTTP
	case config.ProxyCommand:
		out.Proxy.Kind, out.Proxy.Environ = dial.Command, p.Environ
	}
	return out
}

// Account returns an account of the configuration as the fetcher wants it,
// without its destination and its row in the ledger.
func (r Resources) Account(c config.Account) (fetcher.Account, error) {
	dialer, err := r.Dialer(c.Server)
	if err != nil {
		return fetcher.Account{}, err
	}
	return fetcher.Account{
		Name:     c.Name,
		Settings: accountSettings(c),
		Tagged:   c.Tag == config.TagHeader,
		Source: mailbox.Source{
			Host:        c.Host,
			Addr:        dialer.Addr(),
			Dial:        dialer.Dial,
			StartTLS:    dialer.Upgrade(),
			Secure:      c.TLS.Mode != config.TLSNone,
			Credentials: pop3.Credentials{Method: pop3.Method(c.Auth), Username: c.Username, Secret: c.Secret.Get, Token: c.Token},
			Timeout:     c.Timeout,
			MaxListing:  c.MaxListing,
			Hides:       c.RETRHides,
			Trace:       r.Trace.ofAccount(c.Name),
		},
		Policy: identify.Policy{
			Keep:        c.Leave.Keep,
			KeepFor:     c.Leave.For,
			OnlyNew:     c.FirstRun.New,
			FirstAge:    c.FirstRun.Age,
			MaxSize:     c.MaxSize,
			MaxMessages: c.MaxMessages,
			Order:       order(c.Order),
			MinInterval: c.MinInterval,
		},
	}, nil
}

// order returns an order of messages as the fetcher wants it.
func order(word string) identify.Order {
	switch word {
	case config.OrderNewestFirst:
		return identify.NewestFirst
	case config.OrderSmallFirst:
		return identify.SmallFirst
	default:
		return identify.Listed
	}
}

// newSorter returns the rule of a multidrop mailbox, nil without one.
func newSorter(m config.Multidrop) *multidrop.Sorter {
	if len(m.Domains) == 0 {
		return nil
	}
	return &multidrop.Sorter{Header: m.Header, Position: m.Position, Prefix: m.Prefix, Domains: m.Domains, Map: m.Map, Otherwise: m.Otherwise}
}

// Filter returns the filter of an account, nil without one. It may name what the
// account's destination has: addresses, or folders.
func (r Resources) Filter(c config.Account, d config.Destination) fetcher.Filter {
	if c.Filter.IsZero() {
		return nil
	}
	f := &filter.Filter{Command: c.Filter.Command, Dir: c.Filter.Dir, Environ: c.Filter.Environ, Slots: r.Filters}
	if d.Stores() {
		f.Folder = d.CheckFolder
	} else {
		f.Address = d.CheckAddress
	}
	return f
}

// newDestination returns where an account's mail goes, and under which envelope.
func (a *App) newDestination(c config.Account) fetcher.Destination {
	d := fetcher.Destination{Name: c.Forward, Server: c.Endpoint, Forwarder: instrument(a.pools[c.Forward], c.Forward, a.metrics), Recipients: c.Recipients()}
	d.Finder, _ = a.pools[c.Forward].sessions.(doubt.Finder)
	for _, f := range a.cfg.Forward {
		if f.Name == c.Forward {
			d.OnReject, d.Quarantine = onReject(f)
			d.Settings, d.ForwardedTo = destinationSettings(f), f.XForwardedTo
			d.Quota = a.quota(f)
			if f.Stores() {
				d.Address, d.SpamFolder = OwnAddress(f), SpamFolder(f)
			}
			switch {
			case f.OAuth2 != nil:
				d.Secret = signInMark(a.store, f.Server)
			case !f.Secret.IsZero():
				d.Secret = f.Secret.Get
			}
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

// SpamFolder returns the folder of a destination for mail that its provider has marked
// as spam, as forwarder.Message.Folder names it; "": there is none.
func SpamFolder(d config.Destination) string {
	if d.SpamFolder == config.SpamAuto {
		return forwarder.JunkFolder
	}
	return d.SpamFolder
}

// quota returns how much a destination may be sent. Those with one user at one server
// share it, as that server counts.
func (a *App) quota(d config.Destination) ledger.Quota {
	key := func(d config.Destination) string { return d.Endpoint() + " " + d.Username }
	q := ledger.Quota{Key: key(d)}
	if len(d.Rate) == 0 {
		return q
	}
	for _, r := range d.Rate {
		q.Limits = append(q.Limits, ledger.Limit{Amount: ledger.Amount{Messages: r.Messages, Octets: r.Octets}, Per: r.Per})
	}
	for _, c := range a.cfg.Accounts {
		for _, f := range a.cfg.Forward {
			if c.Enabled && f.Name == c.Forward && len(f.Rate) > 0 && key(f) == q.Key {
				q.Accounts++
			}
		}
	}
	return q
}

// onReject returns what happens to mail that a destination refuses.
func onReject(f config.Destination) (fetcher.Reject, fetcher.Quarantiner) {
	switch f.OnReject {
	case config.RejectWrap:
		return fetcher.Wrap, nil
	case config.RejectQuarantine:
		if f.QuarantineDir == "" { // the ledger keeps it
			return fetcher.Quarantine, nil
		}
		return fetcher.Quarantine, maildir.New(f.QuarantineDir)
	default:
		return fetcher.Hold, nil
	}
}
