package dial

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// zone is a DNS server that knows one name's addresses.
type zone struct {
	mu      sync.Mutex
	addrs   []string
	queries int           // for A records
	gate    chan struct{} // where set, answers wait for its end
	came    chan struct{} // where set, closed by the first query
}

func (z *zone) set(addrs ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.addrs = addrs
}

func (z *zone) asked() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.queries
}

// resolver asks only the zone.
func (z *zone) resolver() *resolver {
	return newResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for z.answer(server) == nil {
			}
		}()
		return client, nil
	}})
}

// answer reads one query and answers it, with a length before each message for
// it is not a PacketConn (RFC 1035 section 4).
func (z *zone) answer(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	end := 12
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root, type and class
	kind := query[end-3]
	z.mu.Lock()
	addrs, gate := z.addrs, z.gate
	if kind == 1 {
		if z.queries++; z.queries == 1 && z.came != nil {
			close(z.came)
		}
	}
	z.mu.Unlock()
	if gate != nil {
		<-gate
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		if ip.Is4() != (kind == 1) {
			continue
		}
		reply[7]++
		raw := ip.AsSlice()
		reply = append(reply, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, byte(len(raw)))
		reply = append(reply, raw...)
	}
	if len(addrs) == 0 {
		reply[3] = 0x83 // NXDOMAIN
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err
}

// TestNamesAreShared: one query for all callers within half a minute, even if one
// of them gives up.
func TestNamesAreShared(t *testing.T) {
	t.Parallel()
	z := &zone{addrs: []string{"192.0.2.1"}, gate: make(chan struct{}), came: make(chan struct{})}
	r := z.resolver()
	clock := time.Now()
	r.now = func() time.Time { return clock }
	gone, leave := context.WithCancel(t.Context())
	var first, others sync.WaitGroup
	first.Go(func() {
		if _, err := r.lookup(gone, "pop.example.test"); err == nil {
			t.Error("the lookup goes on after its context has ended")
		}
	})
	<-z.came
	for range 100 {
		others.Go(func() {
			if a, err := r.lookup(t.Context(), "POP.example.test"); err != nil || a.addrs[0].String() != "192.0.2.1" {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
	leave() // whether the others have come or not
	first.Wait()
	close(z.gate)
	others.Wait()
	if n := z.asked(); n != 1 {
		t.Errorf("%d queries", n)
	}
	before := z.asked()
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{29 * time.Second, 0}, {2 * time.Second, 1}, {-time.Hour, 2}} {
		clock = clock.Add(step.wait)
		if _, err := r.lookup(t.Context(), "pop.example.test"); err != nil || z.asked()-before != step.want {
			t.Errorf("%v later: %d queries, want %d; %v", step.wait, z.asked()-before, step.want, err)
		}
	}
}

func TestFailedLookupIsNotCached(t *testing.T) {
	t.Parallel()
	z := &zone{}
	r := z.resolver()
	var dns *net.DNSError
	if _, err := r.lookup(t.Context(), "pop.example.test"); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("got %v", err)
	}
	z.set("192.0.2.1")
	if _, err := r.lookup(t.Context(), "pop.example.test"); err != nil {
		t.Error(err)
	}
}

// TestMovedHostIsLookedUpAgain: an address that leads nowhere any more does not keep the
// account away until the half minute is over.
func TestMovedHostIsLookedUpAgain(t *testing.T) {
	t.Parallel()
	z := &zone{addrs: []string{"127.0.0.2"}} // nothing listens there
	r := z.resolver()
	clock := time.Now()
	r.now = func() time.Time { return clock }
	d, err := New(Target{Host: "pop.example.test", Port: serve(t, greet), TLS: TLS{Mode: None}})
	check(t, err)
	d.names = r
	dial := func(want string) {
		t.Helper()
		conn, err := d.Dial(t.Context())
		if err == nil {
			conn.Close()
			err = errors.New("connected")
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	dial("127.0.0.2:" + d.port + ": connect: connection refused")
	z.set("127.0.0.1")
	dial("127.0.0.2:" + d.port + ": connect: connection refused") // asked a moment ago
	if z.asked() != 1 {
		t.Errorf("%d queries", z.asked())
	}
	clock = clock.Add(2 * time.Second)
	dial("connected")
	z.set()
	dial("connected") // the name is gone, but its address is remembered
	if z.asked() != 2 {
		t.Errorf("%d queries", z.asked())
	}
	clock = clock.Add(time.Minute)
	dial("pop.example.test:" + d.port + ": name: ")
}

// TestEveryAddressIsTried: with IPv6 out of reach and the first address dead, the one
// that answers is found, and the error is that of the first if none does.
func TestEveryAddressIsTried(t *testing.T) {
	t.Parallel()
	d, err := New(Target{Host: "pop.example.test", Port: serve(t, greet), TLS: TLS{Mode: None}})
	check(t, err)
	for _, tt := range []struct {
		addrs []string
		want  string
	}{
		{[]string{"2001:db8::1", "127.0.0.1"}, ""},
		{[]string{"127.0.0.2", "127.0.0.3", "127.0.0.1"}, ""},
		{[]string{"127.0.0.2", "127.0.0.3"}, "dial tcp 127.0.0.2:" + d.port + ": connect: connection refused"},
	} {
		var addrs []net.IPAddr
		for _, a := range tt.addrs {
			addrs = append(addrs, net.IPAddr{IP: net.ParseIP(a)})
		}
		conn, err := d.race(t.Context(), addrs)
		switch {
		case err == nil && tt.want == "":
			conn.Close()
		case err == nil || err.Error() != tt.want:
			t.Errorf("%v: got %v, want %q", tt.addrs, err, tt.want)
		}
	}
}

func TestAlternate(t *testing.T) {
	t.Parallel()
	var addrs []net.IPAddr
	for _, a := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"} {
		addrs = append(addrs, net.IPAddr{IP: net.ParseIP(a)})
	}
	var got []string
	for _, a := range alternate(addrs) {
		got = append(got, a.String())
	}
	if want := "2001:db8::1 192.0.2.1 2001:db8::2 2001:db8::3"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
