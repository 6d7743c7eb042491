package dial

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// sessionLife is how long a TLS session is kept: no ticket is good for longer
	// (RFC 8446 section 4.6.1).
	sessionLife = 7 * 24 * time.Hour
	// maxSessions bounds those that are kept for the next process.
	maxSessions = 512
)

// lastSession is the newest TLS session with one server, as crypto/tls puts it there.
type lastSession struct {
	mu    sync.Mutex
	state *tls.ClientSessionState // nil: there is none
	at    time.Time
}

// Get implements tls.ClientSessionCache.
func (l *lastSession) Get(string) (*tls.ClientSessionState, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.state != nil
}

// Put implements tls.ClientSessionCache.
func (l *lastSession) Put(_ string, s *tls.ClientSessionState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.at = s, time.Now()
}

// keptSession is a TLS session as it is kept between processes. It is a secret.
type keptSession struct {
	At     time.Time `json:"at"`
	Ticket []byte    `json:"ticket"`
	State  []byte    `json:"state"`
}

// kept is the session as it is kept; ok is false if there is none.
func (l *lastSession) kept() (k keptSession, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == nil {
		return keptSession{}, false
	}
	ticket, state, err := l.state.ResumptionState()
	if err != nil || state == nil {
		return keptSession{}, false
	}
	octets, err := state.Bytes()
	return keptSession{At: l.at, Ticket: ticket, State: octets}, err == nil
}

// restore takes over a session of an earlier process. One that cannot be read does not
// count.
func (l *lastSession) restore(k keptSession) {
	state, err := tls.ParseSessionState(k.State)
	if err != nil {
		return
	}
	if s, err := tls.NewResumptionState(k.Ticket, state); err == nil {
		l.state, l.at = s, k.At
	}
}

// session returns the newest session for these settings, which may be that of an earlier
// process. It is bound to all that decides whether a server is trusted, and to what this
// side shows of itself: a session of other settings is never offered. The certificate of
// one that is resumed is verified again.
func (n *Network) session(s setting) *lastSession {
	key := s.key()
	l := n.sessions[key]
	if l == nil {
		l = new(lastSession)
		if k, ok := n.restored[key]; ok {
			l.restore(k)
			delete(n.restored, key)
		}
		n.sessions[key] = l
	}
	return l
}

// key names the settings, with the contents of their files.
func (s setting) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+q %q %q", fmt.Sprintf("%+v", s.tls), s.name, s.addr)
	for _, file := range []string{s.tls.CAFile, s.tls.CertFile, s.tls.KeyFile} {
		octets, _ := os.ReadFile(file) // one that cannot be read makes no client
		fmt.Fprintf(h, " %x", sha256.Sum256(octets))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Sessions returns the TLS sessions for the network of the next process, as
// RestoreSessions takes them; nil if there are none. With them others can take part in
// connections that resume them.
func (n *Network) Sessions() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]keptSession)
	for key, k := range n.restored {
		if fresh(k) {
			all[key] = k
		}
	}
	for key, l := range n.sessions {
		if k, ok := l.kept(); ok && fresh(k) {
			all[key] = k
		}
	}
	if len(all) == 0 {
		return nil
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return all[b].At.Compare(all[a].At) })
	for _, key := range keys[min(len(keys), maxSessions):] {
		delete(all, key)
	}
	octets, _ := json.Marshal(all) // there is nothing in it that cannot be written
	return octets
}

// RestoreSessions takes over the TLS sessions of an earlier process. What cannot be read
// does not count: the next handshakes are whole ones.
func (n *Network) RestoreSessions(octets []byte) {
	var all map[string]keptSession
	if json.Unmarshal(octets, &all) != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, k := range all {
		if fresh(k) {
			n.restored[key] = k
		}
	}
}

func fresh(k keptSession) bool { return time.Since(k.At).Abs() < sessionLife }
