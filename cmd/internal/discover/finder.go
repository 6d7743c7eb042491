package discover

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// patience is the limit of each step: what takes longer is not worth waiting
// for, since a person who is asked knows the server or can look it up.
const patience = 5 * time.Second

// Options are what a Finder works with. The zero value is useful.
type Options struct {
	Resolver  *net.Resolver     // default: the system's
	Transport http.RoundTripper // for HTTPS; default: http.DefaultTransport
	Network   *dial.Network     // for connections to mail servers; default: one of its own
	CAFile    string            // PEM; roots of mail servers beside the system's
	Patience  time.Duration     // limit of each step; default: 5 s
}

// Finder finds servers. Its methods may be used concurrently.
type Finder struct {
	o      Options
	client *http.Client
}

// New returns a Finder and does no I/O.
func New(o Options) *Finder {
	o.Resolver = cmp.Or(o.Resolver, net.DefaultResolver)
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Network == nil {
		o.Network = dial.NewNetworkWith(o.Resolver)
	}
	o.Patience = cmp.Or(o.Patience, patience)
	return &Finder{o: o, client: newClient(o.Transport)}
}

// source is somebody who may know servers.
type source struct {
	who string
	ask func(context.Context) (offer, error)
}

// Find asks all sources for the servers of an address. It does not fail: what
// came of each source is in the replies, and guesses are always there.
func (f *Finder) Find(ctx context.Context, a Address) Found {
	if p, ok := provider.ForAddress(a.Full); ok {
		return Preset(p, a) // nobody knows better, and nobody else has to know
	}
	var found Found
	ctx, cancel := context.WithTimeout(ctx, f.o.Patience)
	defer cancel()
	f.ask(ctx, &found,
		source{"the autoconfig of " + a.Domain, func(ctx context.Context) (offer, error) { return f.autoconfig(ctx, a, a.Domain) }},
		source{"Thunderbird's database", func(ctx context.Context) (offer, error) { return f.database(ctx, a, a.Domain) }},
		source{"the SRV records of " + a.Domain, func(ctx context.Context) (offer, error) { return f.srv(ctx, a, a.Domain) }},
		source{"who keeps the mail of " + a.Domain + " (MX)", func(ctx context.Context) (offer, error) { return f.viaKeeper(ctx, a) }},
	)
	found.add(guesses(a))
	return found
}

// ask asks sources side by side. Their offers count in the order of the list.
func (f *Finder) ask(ctx context.Context, found *Found, sources ...source) {
	offers, failures := make([]offer, len(sources)), make([]error, len(sources))
	each(len(sources), func(i int) { offers[i], failures[i] = sources[i].ask(ctx) })
	for i, s := range sources {
		said := offers[i].said()
		if failures[i] != nil {
			said = words(failures[i])
		}
		found.add(offers[i])
		found.Replies = append(found.Replies, Reply{Who: s.who, Said: said})
	}
}

// viaKeeper looks at who keeps the mail of the address's domain: one of the
// presets, or somebody whose own domain has answers.
func (f *Finder) viaKeeper(ctx context.Context, a Address) (offer, error) {
	host, err := f.keeper(ctx, a.Domain)
	if err != nil || host == "" {
		return offer{}, err
	}
	if p, ok := provider.ForMX(host); ok {
		return preset(p, a), nil
	}
	domain := registered(host)
	if domain == "" || domain == a.Domain {
		return offer{}, nil
	}
	var found Found
	f.ask(ctx, &found,
		source{"", func(ctx context.Context) (offer, error) { return f.autoconfig(ctx, a, domain) }},
		source{"", func(ctx context.Context) (offer, error) { return f.database(ctx, a, domain) }},
		source{"", func(ctx context.Context) (offer, error) { return f.srv(ctx, a, domain) }},
	)
	for _, list := range [][]Candidate{found.POP3, found.Submission} {
		for i := range list { // even what HTTPS told was asked of whom the DNS named
			list[i].Foreign = foreign(list[i].Host, a)
		}
	}
	return offer{pop3: found.POP3, submission: found.Submission}, nil
}

// foreign tells whether a host that the DNS named may be anybody's.
func foreign(host string, a Address) bool {
	if _, known := provider.ForHost(host); known {
		return false
	}
	return !within(host, a.Domain)
}

// each calls do with 0 to n-1, side by side, and waits for all.
func each(n int, do func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// words are what a failure is told as. That a host is not there is what most
// sources come to, and nothing to be read as trouble with the DNS.
func words(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return "there is no host " + dns.Name
	}
	return err.Error()
}

// withoutURL takes an HTTP client's error off its URL, which has the address
// in it.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
