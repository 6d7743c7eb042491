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
	sessionCookie = "popferry_session"
	// sessionLife is how long a login lasts after its last request.
	sessionLife = 12 * time.Hour
	// maxSessions bounds the open sessions; the one that expires first is
	// dropped for a new one.
	maxSessions = 100
)

// digest is kept and compared instead of a password or a token.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

func (d digest) equal(o digest) bool { return subtle.ConstantTimeCompare(d[:], o[:]) == 1 }

// session is a login. It also ends when the password changes.
type session struct {
	password digest
	until    time.Time
}

// auth checks passwords and keeps the open sessions.
type auth struct {
	password func(ctx context.Context) (string, error)
	now      func() time.Time
	limiter  rateLimiter
	devices  devices

	mu       sync.Mutex
	sessions map[digest]session // by the digest of their token
}

// verdict is what becomes of a password or cookie.
type verdict struct {
	ok      bool
	enabled bool          // a password is configured
	given   bool          // one was given by HTTP Basic authentication
	wrong   bool          // a wrong one was given
	wait    time.Duration // one was given too soon after wrong ones, and not compared
	err     error         // the configured password cannot be used
}

// refused reports whether a password was given in vain.
func (v verdict) refused() bool { return v.wrong || v.wait > 0 || v.given && v.err != nil }

// logIn checks a password and returns the cookies of a new session.
func (a *auth) logIn(r *http.Request, given string) ([]*http.Cookie, verdict) {
	password, v := a.configured(r)
	if !v.enabled {
		return nil, v
	}
	if a.compare(r, given, password, &v); !v.ok {
		return nil, v
	}
	device := cookie(r, deviceCookie, a.devices.issue(r, password))
	device.MaxAge = int(deviceLife / time.Second)
	token := rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.makeRoom()
	a.sessions[digestOf(token)] = session{digestOf(password), a.now().Add(sessionLife)}
	return []*http.Cookie{cookie(r, sessionCookie, token), device}, v
}

// admits checks whether a request has the cookie of an open session, or the
// password itself by HTTP Basic authentication.
func (a *auth) admits(r *http.Request) verdict {
	password, v := a.configured(r)
	var given string
	if _, given, v.given = r.BasicAuth(); !v.enabled {
		return v
	}
	if v.ok = a.hasSession(r, password); v.ok {
		return v
	}
	if v.given {
		a.compare(r, given, password, &v)
	}
	return v
}

// hasSession reports whether a request has the cookie of an open session.
func (a *auth) hasSession(r *http.Request, password string) bool {
	c, err := r.Cookie(sessionCookie)
	return err == nil && a.prolong(c.Value, digestOf(password))
}

// configured returns the configured password.
func (a *auth) configured(r *http.Request) (string, verdict) {
	password, err := a.password(r.Context())
	return password, verdict{enabled: err == nil && password != "", err: err}
}

// compare compares a password, unless its sender has to wait.
func (a *auth) compare(r *http.Request, given, password string, v *verdict) {
	from := guesser{name: origin(r.RemoteAddr)}
	if device := a.devices.of(r, password); device != "" {
		from = guesser{name: "device " + device, known: true}
	}
	if v.wait = a.limiter.begin(from, a.now()); v.wait > 0 {
		return
	}
	if v.ok = digestOf(given).equal(digestOf(password)); v.ok {
		a.limiter.admit(from)
	}
	v.wrong = !v.ok
}

// prolong prolongs the session of a token. It reports whether there is one.
func (a *auth) prolong(token string, password digest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := digestOf(token)
	s, ok := a.sessions[id]
	if !ok || !a.now().Before(s.until) || !s.password.equal(password) {
		delete(a.sessions, id)
		return false
	}
	s.until = a.now().Add(sessionLife)
	a.sessions[id] = s
	return true
}

// logOut ends the session of a request.
func (a *auth) logOut(r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.sessions, digestOf(c.Value))
	}
}

// makeRoom deletes expired sessions, and the oldest one if there are still too
// many for another.
func (a *auth) makeRoom() {
	var oldest digest
	for id, s := range a.sessions {
		if !a.now().Before(s.until) {
			delete(a.sessions, id)
			continue
		}
		if o, ok := a.sessions[oldest]; !ok || s.until.Before(o.until) {
			oldest = id
		}
	}
	if len(a.sessions) >= maxSessions {
		delete(a.sessions, oldest)
	}
}

// cookie is one of our cookies; an empty value removes it. It is restricted to
// TLS only where the page itself came over TLS, also through a proxy.
func cookie(r *http.Request, name, value string) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}
