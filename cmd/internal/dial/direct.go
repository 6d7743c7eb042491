package dial

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// nextAddress is the head start of one address before the next one is tried as
// well (RFC 8305 section 5); also net.Dialer's default.
const nextAddress = 300 * time.Millisecond

// connectFunc makes one connection, as a net.Dialer does.
type connectFunc func(ctx context.Context, network, address string) (net.Conn, error)

// direct makes connections to one address, or to the addresses of one name.
type direct struct {
	network string // tcp or unix
	addr    string
	name    string // to be looked up; "" for an address or a socket
	port    string
	family  Family // of the addresses that are tried
	allowed bool   // the address is of that family; of a name they are chosen later
	names   *resolver
	over    connectFunc
}

// newDirect returns direct connections to a host's port.
func newDirect(host string, port int, names *resolver, over connectFunc, family Family) direct {
	d := direct{network: "tcp", port: strconv.Itoa(port), family: family, names: names, over: over}
	d.addr = net.JoinHostPort(host, d.port)
	if addr, err := netip.ParseAddr(host); err != nil {
		d.name = host
	} else {
		d.allowed = family == AnyFamily || addr.Unmap().Is4() == (family == IPv4)
	}
	return d
}

// connect makes a connection. Its errors are those of the function given to
// Network.Over, by default a net.Dialer's.
func (d *direct) connect(ctx context.Context, done func(Stage)) (net.Conn, error) {
	if d.name == "" {
		if !d.allowed {
			return nil, &FamilyError{d.addr, d.family}
		}
		return d.over(ctx, d.network, d.addr)
	}
	a, err := d.names.lookup(ctx, d.name)
	if err != nil {
		return nil, err
	}
	addrs, err := d.suitable(a)
	if err != nil {
		return nil, err
	}
	done(StageName)
	conn, err := d.race(ctx, addrs)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil { // no time is left, but the next caller should not get these addresses
		d.names.forget(d.name, a)
		return nil, err
	}
	b, moved, lookupErr := d.names.lookupAgain(ctx, d.name, a)
	switch {
	case lookupErr != nil:
		return nil, lookupErr
	case moved:
		if addrs, err = d.suitable(b); err != nil {
			return nil, err
		}
		return d.race(ctx, addrs)
	}
	return nil, err
}

// suitable are the addresses of an answer that may be tried, at least one.
func (d *direct) suitable(a answer) ([]net.IPAddr, error) {
	if d.family == AnyFamily {
		return a.addrs, nil
	}
	var addrs []net.IPAddr
	for _, addr := range a.addrs {
		if isIPv4(addr) == (d.family == IPv4) {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, &FamilyError{d.name, d.family}
	}
	return addrs, nil
}

// attempt is the result of trying one address.
type attempt struct {
	number int
	conn   net.Conn
	err    error
}

// race tries the addresses in order, the next one as soon as one fails or takes
// longer than nextAddress, and returns the first connection. If all fail, the
// error is that of the first address. No goroutine outlives the call.
func (d *direct) race(ctx context.Context, addrs []net.IPAddr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	addrs = alternate(addrs)
	ended := make(chan attempt)
	next, running := 0, 0
	defer func() {
		cancel()
		for ; running > 0; running-- {
			if late := <-ended; late.conn != nil {
				late.conn.Close()
			}
		}
	}()
	start := time.NewTimer(0)
	defer start.Stop()
	var first error
	for {
		select {
		case <-start.C:
			go func(number int) {
				conn, err := d.over(ctx, d.network, net.JoinHostPort(addrs[number].String(), d.port))
				ended <- attempt{number, conn, err}
			}(next)
			next, running = next+1, running+1
			if next < len(addrs) {
				start.Reset(nextAddress)
			}
		case a := <-ended:
			running--
			if a.err == nil {
				return a.conn, nil
			}
			if a.number == 0 {
				first = a.err
			}
			if next < len(addrs) {
				start.Reset(0)
			} else if running == 0 {
				return nil, first
			}
		}
	}
}

// alternate returns the addresses with the families alternating, the family of
// the first one first (RFC 8305 section 4). A machine without working IPv6 then
// tries IPv4 second.
func alternate(addrs []net.IPAddr) []net.IPAddr {
	var one, other []net.IPAddr
	for _, a := range addrs {
		if isIPv4(a) == isIPv4(addrs[0]) {
			one = append(one, a)
		} else {
			other = append(other, a)
		}
	}
	out := make([]net.IPAddr, 0, len(addrs))
	for i := range addrs {
		if i < len(one) {
			out = append(out, one[i])
		}
		if i < len(other) {
			out = append(out, other[i])
		}
	}
	return out
}

func isIPv4(a net.IPAddr) bool { return a.IP.To4() != nil }
