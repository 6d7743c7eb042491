// Package dnstest is a DNS server on loopback for tests.
package dnstest

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Start serves the records of a zone file (RFC 1035 section 5), whatever names
// they are for, until the end of the test. The resolver asks this server only.
func Start(tb testing.TB, zone string) *net.Resolver {
	tb.Helper()
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	s := &dns.Server{PacketConn: at, Handler: read(tb, zone), NotifyStartedFunc: func() { close(ready) }}
	go func() { done <- s.ActivateAndServe() }()
	<-ready
	tb.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			tb.Error(err)
		}
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", at.LocalAddr().String())
	}}
}

// records answers queries. They never change.
type records []dns.RR

func read(tb testing.TB, zone string) records {
	tb.Helper()
	var r records
	lines := dns.NewZoneParser(strings.NewReader("$TTL 60\n"+zone), ".", "")
	for rr, ok := lines.Next(); ok; rr, ok = lines.Next() {
		r = append(r, rr)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return r
}

// ServeDNS answers with the records of the name asked for. A name without any
// does not exist.
func (r records) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	answer := new(dns.Msg).SetRcode(query, dns.RcodeNameError)
	for _, rr := range r {
		head, asked := rr.Header(), query.Question[0]
		if !strings.EqualFold(head.Name, asked.Name) {
			continue
		}
		answer.Rcode = dns.RcodeSuccess
		if head.Rrtype == asked.Qtype {
			answer.Answer = append(answer.Answer, rr)
		}
	}
	_ = w.WriteMsg(answer) // the client asks again
}
