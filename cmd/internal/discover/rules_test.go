package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
)

func TestUsualAddress(t *testing.T) {
	t.Parallel()
	const public, private, none = "public", "private", "none"
	for a, want := range map[string]string{
		"93.184.216.34":        public,
		"2a00:1450:4001::6d":   public,
		"::ffff:93.184.216.34": public,
		"64:ff9b::5db8:d822":   public, // 93.184.216.34
		"10.0.0.5":             private,
		"172.31.255.1":         private,
		"192.168.1.1":          private,
		"100.64.0.1":           private,
		"fd12::1":              private,
		"::ffff:192.168.1.1":   private,
		"64:ff9b::c0a8:101":    private, // 192.168.1.1
		"127.0.0.1":            none,
		"127.1.2.3":            none,
		"::1":                  none,
		"::ffff:127.0.0.1":     none,
		"::127.0.0.1":          none,
		"64:ff9b::7f00:1":      none,
		"0.0.0.0":              none,
		"0.1.2.3":              none,
		"::":                   none,
		"169.254.169.254":      none, // where clouds have secrets of a machine
		"fe80::1%eth0":         none,
		"224.0.0.1":            none,
		"ff02::1":              none,
		"240.0.0.1":            none,
		"255.255.255.255":      none,
		"198.18.0.1":           none,
		"fec0::1":              none,
	} {
		foreign, guessed := usualAddress(netip.MustParseAddr(a), false), usualAddress(netip.MustParseAddr(a), true)
		if (foreign == nil) != (want == public) || (guessed == nil) != (want != none) {
			t.Errorf("%s: foreign %v, guessed %v; want it to be %s", a, foreign, guessed, want)
		}
	}
}

// TestForeignServersOnThisMachine: a name that anybody else has given leads nowhere
// near, whatever the DNS makes of it. What the user has named does.
func TestForeignServersOnThisMachine(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	c := Candidate{Server: Server{Host: "good.test", Port: port(t, w.pop3s.Addr()), TLS: dial.Implicit}}
	literal := c
	literal.Host = "127.0.0.1"
	foreign, guessed := c, c
	foreign.Foreign, literal.Foreign, guessed.Guessed = true, true, true
	_, failed, ok := w.finder.First(t.Context(), POP3, []Candidate{foreign, literal, guessed})
	if ok || len(failed) != 3 || w.pop3s.Sessions() != 0 {
		t.Errorf("got %v, %+v and %d sessions; want none", ok, failed, w.pop3s.Sessions())
	}
	for _, f := range failed {
		var forbidden *addressError
		if !errors.As(f.Err, &forbidden) || !strings.Contains(f.Err.Error(), "only if you name the server") {
			t.Errorf("got %v, want that the address is not allowed", f.Err)
		}
	}
	if _, failed, ok := w.finder.First(t.Context(), POP3, []Candidate{c}); !ok {
		t.Errorf("named by the user: got %+v, want the server", failed)
	}
}

// TestManyServers: of those that a source names only the first few hosts count, on
// the ports of mail.
func TestManyServers(t *testing.T) {
	t.Parallel()
	var servers, zone []string
	for i := range 300 {
		servers = append(servers, fmt.Sprintf("pop3 h%d.evil.test 995 SSL a b", i), fmt.Sprintf("pop3 h%d.evil.test 6379 SSL a b", i),
			fmt.Sprintf("smtp h%d.evil.test 587 STARTTLS a b", i))
	}
	for i := range 20 {
		zone = append(zone, fmt.Sprintf("_pop3s._tcp.example.test. SRV %d 1 995 s%d.evil.test.", i, i))
	}
	w := newWorld(t, strings.Join(zone, "\n"), map[string]string{"autoconfig.example.test/mail/config-v1.1.xml": config(servers...)})
	found, pop3, submission := w.find(t, "leo@example.test")
	var wantPOP3, wantSubmission []string
	for i := range 5 {
		wantPOP3 = append(wantPOP3, fmt.Sprintf("h%d.evil.test:995, TLS from the start (the autoconfig of example.test) a", i))
		wantSubmission = append(wantSubmission, fmt.Sprintf("h%d.evil.test:587, STARTTLS (the autoconfig of example.test) a", i))
	}
	for i := range 5 {
		wantPOP3 = append(wantPOP3, fmt.Sprintf("s%d.evil.test:995, TLS from the start (the SRV records of example.test) untrusted leo@example.test|leo", i))
	}
	begins(t, "POP3", pop3, wantPOP3)
	begins(t, "submission", submission, wantSubmission)
	const want = "names 5 for POP3, 0 for IMAP, 5 for sending; left out 890 on other ports than those of mail, or beyond the first 5 hosts"
	if got := found.Replies[0].Said; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestConnectionsAtOnce: eight, in the order of the list, and each server has the
// whole time.
func TestConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked, open atomic.Int32
		network := dial.NewNetwork().Over(func(ctx context.Context, _, _ string) (net.Conn, error) {
			asked.Add(1)
			open.Add(1)
			defer open.Add(-1)
			<-ctx.Done() // no answer
			return nil, context.Cause(ctx)
		})
		f := New(Options{Network: network, Timeout: 5 * time.Second})
		var list []Candidate
		for i := range 20 {
			list = append(list, Candidate{Server: Server{Host: fmt.Sprintf("192.0.2.%d", i), Port: 995, TLS: dial.Implicit}})
		}
		start := time.Now()
		done := make(chan []Attempt)
		go func() {
			_, failed, _ := f.First(t.Context(), POP3, list)
			done <- failed
		}()
		for _, want := range []struct{ asked, open int32 }{{8, 8}, {16, 8}, {20, 4}} {
			synctest.Wait()
			if asked.Load() != want.asked || open.Load() != want.open {
				t.Errorf("after %v: got %d connections in all and %d open, want %+v", time.Since(start), asked.Load(), open.Load(), want)
			}
			if want.asked < 20 {
				time.Sleep(5 * time.Second) // on the clock of the bubble
			}
		}
		if failed := <-done; len(failed) != 20 || time.Since(start) != 15*time.Second {
			t.Errorf("got %d failures in %v, want 20 in 15 s", len(failed), time.Since(start))
		}
	})
}

// TestWellKnownPorts: a port of one protocol is none of another's.
func TestWellKnownPorts(t *testing.T) {
	t.Parallel()
	ports := map[Protocol][]int{POP3: {995, 110}, Submission: {465, 587, 25}, IMAP: {993, 143}}
	for p := range ports {
		for q, list := range ports {
			for _, port := range list {
				if got := wellKnown(p, port); got != (p == q) {
					t.Errorf("wellKnown(%v, %d) = %v", p, port, got)
				}
			}
		}
		if wellKnown(p, 6379) {
			t.Errorf("wellKnown(%v, 6379) = true", p)
		}
	}
}
