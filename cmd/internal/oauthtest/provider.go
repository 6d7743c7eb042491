package oauthtest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Client and Secret are the only client's that the provider knows.
const (
	Client = "popferry-client"
	Secret = "client-hunter2"
)

// Options are how a provider behaves. The zero value is a strict one.
type Options struct {
	Life     time.Duration // of access tokens; 0: an hour
	Keeps    bool          // refresh tokens are not replaced
	Secret   bool          // the client has to give its secret
	NoDevice bool
	Until    time.Duration // what it says of the end of the sign-in; 0: nothing
	// Answer, if set, decides about each request to the token endpoint: it returns
	// true if it has answered. Granted is called when a token was made, before it is
	// answered.
	Answer  func(w http.ResponseWriter, form url.Values) bool
	Granted func(form url.Values)
	// Now is the time by which tokens end. Default: time.Now.
	Now func() time.Time
}

// Provider is a running provider.
type Provider struct {
	*httptest.Server
	o Options

	mu       sync.Mutex
	codes    map[string]grant  // authorization codes, by code
	devices  map[string]*grant // device codes
	refresh  map[string]*family
	access   map[string]issued
	renewals int
	revoked  int
	all      []string
}

// grant is what a user is about to allow.
type grant struct {
	user, scope, challenge, redirect, userCode string
	approved, denied                           bool
}

// family is all that came of one sign-in.
type family struct {
	user, scope, current string
	revoked              bool
}

type issued struct {
	family *family
	ends   time.Time
}

// New starts a provider, which ends with the test.
func New(tb testing.TB, o Options) *Provider {
	tb.Helper()
	if o.Life == 0 {
		o.Life = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Provider{o: o, codes: map[string]grant{}, devices: map[string]*grant{}, refresh: map[string]*family{}, access: map[string]issued{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.metadata)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /device", p.device)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /revoke", p.revoke)
	mux.HandleFunc("/introspect", p.introspect)
	p.Server = httptest.NewServer(mux)
	tb.Cleanup(p.Close)
	return p
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Refuse answers a request with an error code (RFC 6749 section 5.2).
func Refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

func (p *Provider) metadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "revocation_endpoint": p.URL + "/revoke"}
	if !p.o.NoDevice {
		m["device_authorization_endpoint"] = p.URL + "/device"
	}
	answer(w, http.StatusOK, m)
}

// authorize is a user who signs in at once, as whom login_hint says.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != Client || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" {
		Refuse(w, http.StatusBadRequest, "invalid_request", "client, PKCE or type")
		return
	}
	code := p.secret("code")
	p.mu.Lock()
	p.codes[code] = grant{user: q.Get("login_hint"), scope: q.Get("scope"), challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

// Browse is a browser that opens the address of a sign-in, and returns the address at
// which it ends.
func Browse(tb testing.TB, address string) string {
	tb.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, address, nil)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := browser.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		tb.Fatalf("the provider answered %s", answer.Status)
	}
	return answer.Header.Get("Location")
}

// device begins the device flow (RFC 8628 section 3.2).
func (p *Provider) device(w http.ResponseWriter, r *http.Request) {
	secret := r.PostFormValue("client_secret")
	if _, basic, ok := r.BasicAuth(); ok {
		secret = basic
	}
	if r.PostFormValue("client_id") != Client || p.o.NoDevice || p.o.Secret && secret != Secret {
		Refuse(w, http.StatusBadRequest, "invalid_client", "")
		return
	}
	code, userCode := p.secret("device"), rand.Text()[:8]
	p.mu.Lock()
	p.devices[code] = &grant{scope: r.PostFormValue("scope"), userCode: userCode}
	p.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"device_code": code, "user_code": userCode, "verification_uri": p.URL + "/activate", "expires_in": 900, "interval": 1})
}

// Approve is a user who types in a code.
func (p *Provider) Approve(userCode, user string) bool {
	return p.decide(userCode, func(g *grant) { g.user, g.approved = user, true })
}

// Deny is a user who types in a code and does not agree.
func (p *Provider) Deny(userCode string) bool {
	return p.decide(userCode, func(g *grant) { g.denied = true })
}

func (p *Provider) decide(userCode string, do func(*grant)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.devices {
		if g.userCode == userCode {
			do(g)
			return true
		}
	}
	return false
}

// introspect answers a mail server (RFC 7662), to which the token comes in the
// query, in a form, or as a bearer token (Dovecot has all three).
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	token := r.FormValue("token")
	if token == "" {
		token = r.Header.Get("Authorization")[min(len("Bearer "), len(r.Header.Get("Authorization"))):]
	}
	user, ok := p.User(token)
	if !ok {
		answer(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	answer(w, http.StatusOK, map[string]any{"active": true, "username": user, "email": user})
}

// User returns who an access token is for, while it is valid.
func (p *Provider) User(access string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.access[access]
	if !ok || t.family.revoked || !p.o.Now().Before(t.ends) {
		return "", false
	}
	return t.family.user, true
}

// Renewals is how many times an access token was renewed.
func (p *Provider) Renewals() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.renewals
}

// Revoked is how many sign-ins were ended because an older refresh token was used.
func (p *Provider) Revoked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.revoked
}

// RevokeAll ends all sign-ins, as a user does who withdraws the consent.
func (p *Provider) RevokeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.refresh {
		f.revoked = true
	}
}

// EndAccess ends all access tokens so far before their time. The sign-ins stay.
func (p *Provider) EndAccess() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.access)
}

// Secrets are all codes and tokens that were given out so far, and the client's
// secret: nothing that is shown may have one of them in it.
func (p *Provider) Secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(slices.Clone(p.all), Secret)
}

// secret makes a code or token.
func (p *Provider) secret(kind string) string {
	s := kind + "-" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, s)
	return s
}
