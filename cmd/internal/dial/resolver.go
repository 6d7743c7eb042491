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
	// cacheTTL is how long the addresses of a name are reused. Go's resolver
	// does not return the TTL, so it must be short enough for any: half a
	// minute is the shortest in common use, and it reduces the lookups of
	// thousands of accounts on one host to two a minute.
	cacheTTL = 30 * time.Second
	// requeryAfter is how old an answer must be to be worth asking again.
	requeryAfter = time.Second
)

// resolver looks up the addresses of hosts. Concurrent callers for one name
// share a query, which continues when one of them gives up; later ones get the
// cached answer. Failures are not cached.
type resolver struct {
	system *net.Resolver // nil is Go's own choice
	now    func() time.Time

	asking singleflight.Group

	mu    sync.Mutex
	known map[string]answer // as many as the configuration has hosts
}

// answer is the addresses of a name. It must not be changed.
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
	result := r.asking.DoChan(host, func() (any, error) { return r.ask(context.WithoutCancel(ctx), host) })
	select {
	case res := <-result:
		a, _ := res.Val.(answer)
		return a, res.Err
	case <-ctx.Done():
		return answer{}, &net.DNSError{
			UnwrapErr: ctx.Err(), Err: ctx.Err().Error(), Name: host, IsTimeout: errors.Is(ctx.Err(), context.DeadlineExceeded),
		}
	}
}

// ask is one query, unless the answer has come in the meantime.
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

// remembered is a cached answer that is not too old.
func (r *resolver) remembered(host string) (answer, bool) {
	r.mu.Lock()
	a, ok := r.known[host]
	r.mu.Unlock()
	return a, ok && r.younger(a, cacheTTL)
}

// lookupAgain is lookup for a caller that could connect to none of a's
// addresses. ok reports whether there are new ones now; their order does not
// count, because many servers rotate it with each answer.
func (r *resolver) lookupAgain(ctx context.Context, host string, a answer) (b answer, ok bool, err error) {
	if r.younger(a, requeryAfter) {
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

// younger reports whether an answer is younger than limit. One from the future
// is not: the clock was set back.
func (r *resolver) younger(a answer, limit time.Duration) bool {
	age := r.clock().Sub(a.at)
	return age >= 0 && age < limit
}

// clock is the wall clock: the monotonic one stops while a machine sleeps, which
// is when laptops change networks.
func (r *resolver) clock() time.Time { return r.now().Round(0) }
