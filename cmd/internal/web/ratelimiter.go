package web

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// freeGuesses is how many wrong passwords somebody may send without a wait.
	// From then on they wait firstWait, doubled with each wrong password up to
	// longestWait.
	freeGuesses = 3
	firstWait   = time.Second
	longestWait = time.Minute
	// guessMemory is how long somebody is remembered after their last guess.
	guessMemory = time.Hour
	// maxGuessers is how many are remembered.
	maxGuessers = 1000
	// maxGuesses is how many wrong passwords a minute all strangers together may
	// send.
	maxGuesses = 30
)

// guesser is who sends a password: a browser that is known by its cookie, or an
// address.
type guesser struct {
	name  string
	known bool // has logged in before
}

// rateLimiter slows down password guessing. Open sessions are not affected, nor are
// those who logged in before by what strangers guess. The zero value is ready to
// use.
type rateLimiter struct {
	mu       sync.Mutex
	records  map[string]*record // by the guesser's name
	admitted map[string]bool    // addresses that sent the right password
	minute   time.Time          // when the current minute began
	all      int                // guesses of strangers in this minute
}

// record is what is remembered of a guesser.
type record struct {
	wrong int
	next  time.Time // when it may try again
	last  time.Time
}

// begin counts a wrong password in advance, because many may come at once; admit
// takes that back. If the guesser has to wait, begin returns how long and counts
// nothing.
func (l *rateLimiter) begin(g guesser, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.minute) >= time.Minute {
		l.minute, l.all = now, 0
	}
	stranger := !g.known && !l.admitted[g.name]
	if stranger && l.all >= maxGuesses {
		return l.minute.Add(time.Minute).Sub(now)
	}
	o := l.record(g.name, now)
	if now.Before(o.next) {
		return o.next.Sub(now)
	}
	if stranger {
		l.all++
	}
	o.wrong++
	o.last = now
	if over := o.wrong - freeGuesses; over >= 0 {
		o.next = now.Add(min(longestWait, firstWait<<min(over, 10)))
	}
	return 0
}

// admit forgets the wrong passwords of a guesser that sent the right one. From now
// on it is no stranger.
func (l *rateLimiter) admit(g guesser) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.records, g.name)
	if g.known || l.admitted[g.name] {
		return
	}
	l.all = max(0, l.all-1)
	if l.admitted == nil || len(l.admitted) >= maxGuessers {
		l.admitted = make(map[string]bool)
	}
	l.admitted[g.name] = true
}

// record returns what is remembered of a guesser.
func (l *rateLimiter) record(name string, now time.Time) *record {
	if l.records == nil {
		l.records = make(map[string]*record)
	}
	if o := l.records[name]; o != nil && now.Sub(o.last) < guessMemory {
		return o
	}
	if len(l.records) >= maxGuessers {
		l.makeRoom(now)
	}
	o := &record{last: now}
	l.records[name] = o
	return o
}

// makeRoom forgets those whose time has passed, and the oldest of the others.
func (l *rateLimiter) makeRoom(now time.Time) {
	oldest := ""
	for name, o := range l.records {
		if now.Sub(o.last) >= guessMemory {
			delete(l.records, name)
		} else if oldest == "" || o.last.Before(l.records[oldest].last) {
			oldest = name
		}
	}
	delete(l.records, oldest)
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
