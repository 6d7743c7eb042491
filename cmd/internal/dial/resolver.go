package dial

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// remember is how long the addresses of a name are used again. Go's
	// resolver tells no TTL, so it must be short enough for any: half a minute
	// is what names get that move at all, and it takes the lookups of thousands
	// of accounts on one host down to two a minute.
	remember = 30 * time.Second
	// fresh is for how long asking again would tell nothing new.
	fresh = time.Second
)

// resolver looks up the addresses of hosts. Who asks for one name at once
// shares a query, which goes on when one of them gives up; who comes later gets
// the answer that is remembered. Failures are not.
type resolver struct {
	system *net.Resolver // nil is Go's own choice
	now    func() time.Time

	asking singleflight.Group

	mu    sync.Mutex
	known map[string]answer // as many as the configuration has hosts
}

// answer is what a name was found to be. It is not to be changed.
type answer struct {
	addrs []net.IPAddr // the best first (RFC 6724)
	at    time.Time
}

func newResolver(system *net.Resolver) *resolver {
	return &resolver{system: system, now: time.Now, known: make(map[string]answer)}
}

// lookup returns the addresses of a host, at least one. The error is a
// *net.DNSError.
func (r *resolver) lookup(ctx context.Context, host string) (answer, error) {
	host = strings.ToLower(host)
	if a, ok := r.remembered(host); ok {
		return a, nil
	}
	came := r.asking.DoChan(host, func() (any, error) { return r.ask(context.WithoutCancel(ctx), host) })
	select {
	case res := <-came:
		a, _ := res.Val.(answer)
		return a, res.Err
	case <-ctx.Done():
		return answer{}, &net.DNSError{
			UnwrapErr: ctx.Err(), Err: ctx.Err().Error(), Name: host, IsTimeout: errors.Is(ctx.Err(), context.DeadlineExceeded),
		}
	}
}

// ask is one query, unless its answer came just before.
func (r *resolver) ask(ctx context.Context, host string) (answer, error) {
	if a, ok := r.remembered(host); ok {
		return a, nil
	}
	addrs, err := r.system.LookupIPAddr(ctx, host)
	if err != nil {
		return answer{}, err
	}
	a := answer{addrs, r.clock()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[host] = a
	return a, nil
}

// remembered is an answer that is not too old.
func (r *resolver) remembered(host string) (answer, bool) {
	r.mu.Lock()
	a, ok := r.known[host]
	r.mu.Unlock()
	return a, ok && r.younger(a, remember)
}

// anew is lookup for who could connect to none of a's addresses. It is not ok
// if there are no others now; their order means nothing, for many servers turn
// it with each answer.
func (r *resolver) anew(ctx context.Context, host string, a answer) (b answer, ok bool, err error) {
	if r.younger(a, fresh) {
		return a, false, nil
	}
	r.forget(host, a)
	if b, err = r.lookup(ctx, host); err != nil {
		return answer{}, false, err
	}
	known := func(now net.IPAddr) bool {
		return slices.ContainsFunc(a.addrs, func(then net.IPAddr) bool { return then.IP.Equal(now.IP) && then.Zone == now.Zone })
	}
	return b, slices.ContainsFunc(b.addrs, func(now net.IPAddr) bool { return !known(now) }), nil
}

// forget drops an answer, but not a later one.
func (r *resolver) forget(host string, a answer) {
	host = strings.ToLower(host)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[host].at.Equal(a.at) {
		delete(r.known, host)
	}
}

// younger tells whether an answer is less than so old. One from the future is
// not: the clock was set back.
func (r *resolver) younger(a answer, limit time.Duration) bool {
	age := r.clock().Sub(a.at)
	return age >= 0 && age < limit
}

// clock is the wall's: the other one stands still while a machine sleeps, which
// is when laptops change networks.
func (r *resolver) clock() time.Time { return r.now().Round(0) }
