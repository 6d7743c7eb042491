package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	cookieName = "popferry_session"
	// sessionLife is how long a login lasts after the last look.
	sessionLife = 12 * time.Hour
	// mostSessions is how many there are at once; the oldest one goes first.
	mostSessions = 100
)

// digest is what is kept and compared in the place of a password or a token.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

func (d digest) equal(o digest) bool { return subtle.ConstantTimeCompare(d[:], o[:]) == 1 }

// session is a login. It ends when the password is changed, too.
type session struct {
	password digest
	until    time.Time
}

// gate knows who has given the password.
type gate struct {
	password func(ctx context.Context) (string, error)
	now      func() time.Time
	guesses  guesses

	mu       sync.Mutex
	sessions map[digest]session // by their token
}

// enter takes a password and returns the token of a new session. Not ok, it is
// the wrong one; with wait, it was not even looked at.
func (g *gate) enter(r *http.Request, given string) (token string, wait time.Duration, ok bool, err error) {
	right, err := g.password(r.Context())
	if err != nil || right == "" {
		return "", 0, false, err
	}
	if wait, ok = g.guess(r, given, right); !ok {
		return "", wait, false, nil
	}
	token = rand.Text()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.sessions[digestOf(token)] = session{digestOf(right), g.now().Add(sessionLife)}
	return token, 0, true, nil
}

// guess compares a password, unless whoever sends it has to wait.
func (g *gate) guess(r *http.Request, given, right string) (wait time.Duration, ok bool) {
	who := origin(r)
	if wait = g.guesses.begin(who, g.now()); wait > 0 {
		return wait, false
	}
	if !digestOf(given).equal(digestOf(right)) {
		return 0, false
	}
	g.guesses.forgive(who)
	return 0, true
}

// admits tells whether a request comes from somebody who has given the
// password: before, with a cookie for it, or in the request itself.
func (g *gate) admits(r *http.Request) (bool, error) {
	c, err := r.Cookie(cookieName)
	_, given, basic := r.BasicAuth()
	if err != nil && !basic {
		return false, nil
	}
	right, perr := g.password(r.Context())
	if perr != nil || right == "" {
		return false, perr
	}
	if err == nil && g.knows(c.Value, digestOf(right)) {
		return true, nil
	}
	if !basic {
		return false, nil
	}
	_, ok := g.guess(r, given, right)
	return ok, nil
}

// knows finds a session by its token and prolongs it.
func (g *gate) knows(token string, password digest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := digestOf(token)
	s, ok := g.sessions[id]
	if !ok || !g.now().Before(s.until) || !s.password.equal(password) {
		delete(g.sessions, id)
		return false
	}
	s.until = g.now().Add(sessionLife)
	g.sessions[id] = s
	return true
}

// leave ends the session of a request.
func (g *gate) leave(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.sessions, digestOf(c.Value))
	}
}

// sweep removes the sessions that have ended, and makes room for another one.
func (g *gate) sweep() {
	var oldest digest
	for id, s := range g.sessions {
		if !g.now().Before(s.until) {
			delete(g.sessions, id)
			continue
		}
		if o, ok := g.sessions[oldest]; !ok || s.until.Before(o.until) {
			oldest = id
		}
	}
	if len(g.sessions) >= mostSessions {
		delete(g.sessions, oldest)
	}
}

// cookie is a session's cookie; an empty token removes it. It goes over TLS
// only where the page itself came that way, also by a proxy.
func cookie(r *http.Request, token string) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}
