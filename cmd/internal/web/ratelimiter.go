package web

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// freeGuesses is how many wrong passwords an address may send without a
	// wait. From then on it waits firstWait, doubled with each wrong password
	// up to longestWait.
	freeGuesses = 3
	firstWait   = time.Second
	longestWait = time.Minute
	// guessMemory is how long an address is remembered after its last guess.
	guessMemory = time.Hour
	// maxOrigins is how many addresses are remembered.
	maxOrigins = 1000
	// maxGuesses is how many wrong passwords a minute all addresses together
	// may send.
	maxGuesses = 30
)

// rateLimiter slows down password guessing. Open sessions are not affected. The
// zero value is ready to use.
type rateLimiter struct {
	mu      sync.Mutex
	origins map[string]*guesser
	minute  time.Time // when the current minute began
	all     int       // guesses in this minute
}

// guesser is an address that sent wrong passwords.
type guesser struct {
	wrong int
	next  time.Time // when it may try again
	last  time.Time
}

// begin counts a wrong password in advance, because many may come at once;
// forgive takes that back. If the address has to wait, begin returns how long
// and counts nothing.
func (l *rateLimiter) begin(from string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.minute) >= time.Minute {
		l.minute, l.all = now, 0
	}
	if l.all >= maxGuesses {
		return l.minute.Add(time.Minute).Sub(now)
	}
	o := l.origin(from, now)
	if now.Before(o.next) {
		return o.next.Sub(now)
	}
	l.all++
	o.wrong++
	o.last = now
	if over := o.wrong - freeGuesses; over >= 0 {
		o.next = now.Add(min(longestWait, firstWait<<min(over, 10)))
	}
	return 0
}

// forgive forgets an address that sent the right password.
func (l *rateLimiter) forgive(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.origins, from)
	l.all = max(0, l.all-1)
}

// origin returns what is remembered of an address.
func (l *rateLimiter) origin(from string, now time.Time) *guesser {
	if l.origins == nil {
		l.origins = make(map[string]*guesser)
	}
	if o := l.origins[from]; o != nil && now.Sub(o.last) < guessMemory {
		return o
	}
	if len(l.origins) >= maxOrigins {
		l.makeRoom(now)
	}
	o := &guesser{last: now}
	l.origins[from] = o
	return o
}

// makeRoom forgets the addresses whose time has passed, and the oldest of the
// others.
func (l *rateLimiter) makeRoom(now time.Time) {
	oldest := ""
	for from, o := range l.origins {
		if now.Sub(o.last) >= guessMemory {
			delete(l.origins, from)
		} else if oldest == "" || o.last.Before(l.origins[oldest].last) {
			oldest = from
		}
	}
	delete(l.origins, oldest)
}

// origin is what one client has to itself: an address, with IPv6 its /64.
func origin(client string) string {
	ip, err := netip.ParseAddr(client)
	if err != nil || !ip.Is6() {
		return client
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return client
	}
	return p.String()
}
