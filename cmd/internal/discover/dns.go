package discover

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/dial"
)

// records are the SRV records of a domain (RFC 6186 section 3, RFC 8314
// section 5.1), the better kind of TLS first.
func records() []record {
	return []record{
		{"pop3s", POP3, dial.Implicit},
		{"pop3", POP3, dial.StartTLS},
		{"submissions", Submission, dial.Implicit},
		{"submission", Submission, dial.StartTLS},
		{"imaps", IMAP, dial.Implicit},
		{"imap", IMAP, dial.StartTLS},
	}
}

// record is one kind of SRV record.
type record struct {
	service  string
	protocol Protocol
	tls      dial.Mode
}

// srv asks for the SRV records of a domain: the address's own, or that of its
// mail host.
func (f *Finder) srv(ctx context.Context, a Address, domain string) (findings, error) {
	kinds := records()
	answers := make([][]*net.SRV, len(kinds))
	failures := make([]error, len(kinds))
	each(len(kinds), func(i int) {
		_, answers[i], failures[i] = f.o.Resolver.LookupSRV(ctx, kinds[i].service, "tcp", domain)
	})
	var o findings
	for i, k := range kinds {
		for _, r := range answers[i] { // by priority, and those of one by weight
			host, ok := hostName(r.Target)
			if !ok { // "." means: no such service (RFC 6186 section 3.4)
				continue
			}
			o.add(k.protocol, Candidate{
				Server:    Server{Host: host, Port: int(r.Port), TLS: k.tls},
				Usernames: a.usernames(),
				From:      "the SRV records of " + domain,
				Foreign:   true,
				Untrusted: untrusted(host, a),
			})
		}
	}
	if len(o.pop3)+len(o.submission)+len(o.imap) > 0 {
		return o, nil
	}
	return o, unlessMissing(failures)
}

// add adds a candidate to those of its protocol.
func (o *findings) add(p Protocol, c Candidate) {
	switch p {
	case POP3:
		o.pop3 = append(o.pop3, c)
	case IMAP:
		o.imap = append(o.imap, c)
	case Submission, LMTP:
		o.submission = append(o.submission, c)
	}
}

// mxHost is the preferred host that receives a domain's mail.
func (f *Finder) mxHost(ctx context.Context, domain string) (string, error) {
	hosts, err := f.o.Resolver.LookupMX(ctx, domain)
	if len(hosts) == 0 {
		return "", unlessMissing([]error{err})
	}
	first := slices.MinFunc(hosts, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	host, _ := hostName(first.Host) // "." means that it receives no mail (RFC 7505)
	return strings.TrimPrefix(host, "."), nil
}

// unlessMissing is the first failure other than a missing record.
func unlessMissing(failures []error) error {
	for _, err := range failures {
		var dns *net.DNSError
		if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
			return err
		}
	}
	return nil
}
