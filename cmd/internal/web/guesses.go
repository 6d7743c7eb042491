package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// freeGuesses are wrong passwords from one address without a wait. After
	// them it is firstWait, doubling to longestWait.
	freeGuesses = 3
	firstWait   = time.Second
	longestWait = time.Minute
	// guessMemory is how long an address is remembered after its last guess.
	guessMemory = time.Hour
	// mostOrigins is how many addresses are remembered.
	mostOrigins = 1000
	// mostGuesses are wrong passwords a minute from all addresses together.
	mostGuesses = 30
)

// guesses slows down whoever tries passwords. A session that is open already
// takes no harm from it. The zero value is ready.
type guesses struct {
	mu      sync.Mutex
	origins map[string]*guesser
	minute  time.Time
	all     int // in this minute
}

// guesser is an address that tries passwords.
type guesser struct {
	wrong int
	next  time.Time // when it may try again
	last  time.Time
}

// begin counts a guess as a wrong one, for many may come at once; forgive takes
// that back. Where the address has to wait, it says how long and counts nothing.
func (g *guesses) begin(who string, now time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.minute) >= time.Minute {
		g.minute, g.all = now, 0
	}
	if g.all >= mostGuesses {
		return g.minute.Add(time.Minute).Sub(now)
	}
	o := g.origin(who, now)
	if now.Before(o.next) {
		return o.next.Sub(now)
	}
	g.all++
	o.wrong++
	o.last = now
	if over := o.wrong - freeGuesses; over >= 0 {
		o.next = now.Add(min(longestWait, firstWait<<min(over, 10)))
	}
	return 0
}

// forgive forgets an address whose password was right.
func (g *guesses) forgive(who string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.origins, who)
	g.all = max(0, g.all-1)
}

// origin is what is remembered of an address.
func (g *guesses) origin(who string, now time.Time) *guesser {
	if g.origins == nil {
		g.origins = make(map[string]*guesser)
	}
	if o := g.origins[who]; o != nil && now.Sub(o.last) < guessMemory {
		return o
	}
	if len(g.origins) >= mostOrigins {
		g.makeRoom(now)
	}
	o := &guesser{last: now}
	g.origins[who] = o
	return o
}

// makeRoom forgets what is old, at least one address.
func (g *guesses) makeRoom(now time.Time) {
	oldest := ""
	for who, o := range g.origins {
		if now.Sub(o.last) >= guessMemory {
			delete(g.origins, who)
		} else if oldest == "" || o.last.Before(g.origins[oldest].last) {
			oldest = who
		}
	}
	delete(g.origins, oldest)
}

// origin is where a request comes from: an address, or the network that one
// customer has with IPv6.
func origin(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
