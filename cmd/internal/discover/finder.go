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
	"github.com/popferry/popferry/fetcher/printable"
)

// stepTimeout is the limit of each step. What takes longer is not worth waiting
// for: the user knows the server or can look it up.
const stepTimeout = 5 * time.Second

// Options are what a Finder works with. The zero value is useful.
type Options struct {
	Resolver  *net.Resolver     // default: the system's
	Transport http.RoundTripper // for HTTPS; default: http.DefaultTransport
	Network   *dial.Network     // for connections to mail servers; default: one of its own
	CAFile    string            // PEM; roots of mail servers beside the system's
	Timeout   time.Duration     // for all sources together, and for each server; default: 5 s
	Rules     Rules             // for servers that the user has not named
}

// Finder finds servers. Its methods may be used concurrently.
type Finder struct {
	o                Options
	client           *http.Client
	foreign, guessed *dial.Network // to servers that are
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
	o.Timeout = cmp.Or(o.Timeout, stepTimeout)
	o.Rules = o.Rules.withDefaults()
	return &Finder{
		o: o, client: newClient(o.Transport),
		foreign: o.Network.Over(o.Rules.dialer(false).DialContext), guessed: o.Network.Over(o.Rules.dialer(true).DialContext),
	}
}

// source is one that may know servers.
type source struct {
	who string
	ask func(context.Context) (findings, error)
}

// Find asks all sources for the servers of an address. It does not fail: the
// replies have the result of each source, and there are always guesses.
func (f *Finder) Find(ctx context.Context, a Address) Found {
	if p, ok := provider.ForAddress(a.Full); ok {
		return Preset(p, a) // no other source knows better, and none has to learn the address
	}
	var found Found
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	f.ask(ctx, &found,
		source{"the autoconfig of " + a.Domain, func(ctx context.Context) (findings, error) { return f.autoconfig(ctx, a, a.Domain) }},
		source{"Thunderbird's database", func(ctx context.Context) (findings, error) { return f.database(ctx, a, a.Domain) }},
		source{"the SRV records of " + a.Domain, func(ctx context.Context) (findings, error) { return f.srv(ctx, a, a.Domain) }},
		source{"the mail host of " + a.Domain + " (MX)", func(ctx context.Context) (findings, error) { return f.viaMX(ctx, a) }},
	)
	found.add(guesses(a))
	return found
}

// ask asks sources in parallel. Their answers count in the order of the list.
func (f *Finder) ask(ctx context.Context, found *Found, sources ...source) {
	answers, failures := make([]findings, len(sources)), make([]error, len(sources))
	each(len(sources), func(i int) { answers[i], failures[i] = sources[i].ask(ctx) })
	for i, s := range sources {
		f.o.Rules.limit(&answers[i])
		said := answers[i].summary()
		if failures[i] != nil {
			said = words(failures[i])
		}
		found.add(answers[i])
		found.Replies = append(found.Replies, Reply{Who: s.who, Said: printable.Reply(said)})
	}
}

// viaMX looks at the host that receives the mail of the address's domain: it
// belongs to one of the presets, or its own domain may have answers.
func (f *Finder) viaMX(ctx context.Context, a Address) (findings, error) {
	host, err := f.mxHost(ctx, a.Domain)
	if err != nil || host == "" {
		return findings{}, err
	}
	if p, ok := provider.ForMX(host); ok {
		return preset(p, a), nil
	}
	domain := registered(host)
	if domain == "" || domain == a.Domain {
		return findings{}, nil
	}
	var found Found
	f.ask(ctx, &found,
		source{"", func(ctx context.Context) (findings, error) { return f.autoconfig(ctx, a, domain) }},
		source{"", func(ctx context.Context) (findings, error) { return f.database(ctx, a, domain) }},
		source{"", func(ctx context.Context) (findings, error) { return f.srv(ctx, a, domain) }},
	)
	for _, list := range [][]Candidate{found.POP3, found.Submission, found.IMAP} {
		for i := range list { // HTTPS too was asked at a host that the DNS named
			list[i].Untrusted = untrusted(list[i].Host, a)
		}
	}
	return findings{pop3: found.POP3, submission: found.Submission, imap: found.IMAP, leftOut: found.leftOut}, nil
}

// untrusted reports whether a host that the DNS named may belong to anyone.
func untrusted(host string, a Address) bool {
	if _, known := provider.ForHost(host); known {
		return false
	}
	return !within(host, a.Domain)
}

// each calls do with 0 to n-1, in parallel, and waits for all.
func each(n int, do func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// words are how a failure is shown. Most sources end with a host that does not
// exist, which must not read like trouble with the DNS.
func words(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return "there is no host " + dns.Name
	}
	return err.Error()
}

// withoutURL removes the URL from an HTTP client's error, because it contains
// the address.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
