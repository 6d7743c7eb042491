package oauth_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
)

// world is a provider and a sign-in there, both by one clock.
type world struct {
	*oauthtest.Provider
	clock  *clock
	tokens *oauth.Tokens
	store  store
	client oauth.Client
}

func newWorld(t *testing.T, o oauthtest.Options) *world {
	t.Helper()
	w := &world{clock: newClock(), store: newStore(t)}
	o.Now = w.clock.Now
	w.Provider, w.tokens = oauthtest.New(t, o), &oauth.Tokens{Now: w.clock.Now}
	w.client = client(w.Provider)
	keep(t, w.tokens, w.store, w.client)
	return w
}

func (w *world) get(t *testing.T) error {
	t.Helper()
	_, err := w.tokens.Get(t.Context(), w.store, w.client)
	return err
}

// TestOneRenewal: however many ask at once, in however many processes, a token is
// renewed once.
func TestOneRenewal(t *testing.T) {
	t.Parallel()
	clock := newClock()
	p := oauthtest.New(t, oauthtest.Options{Now: clock.Now, Life: 30 * time.Second})
	c := client(p)
	path := filepath.Join(t.TempDir(), "popferry.db")
	type process struct {
		tokens *oauth.Tokens
		store  store
	}
	processes := []process{{&oauth.Tokens{Now: clock.Now}, open(t, path)}, {&oauth.Tokens{Now: clock.Now}, open(t, path)}}
	keep(t, processes[0].tokens, processes[0].store, c)
	const rounds = 20
	for range rounds {
		clock.move(25 * time.Second)
		var all sync.WaitGroup
		for _, process := range processes {
			for range 4 {
				all.Go(func() {
					token, err := process.tokens.Get(t.Context(), process.store, c)
					if _, ok := p.User(token); !ok || err != nil {
						t.Errorf("no valid token: %v", err)
					}
				})
			}
		}
		all.Wait()
	}
	if p.Renewals() != rounds || p.Revoked() != 0 {
		t.Errorf("%d renewals, want %d; %d sign-ins revoked", p.Renewals(), rounds, p.Revoked())
	}
}

// TestRefusals: what a provider answers has a reason of its own, harms nothing
// while the access token is valid, and deletes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	refuse := func(status int, code, text string) func(http.ResponseWriter, url.Values) {
		return func(w http.ResponseWriter, form url.Values) {
			oauthtest.Refuse(w, status, code, text+" "+form.Get("refresh_token")+"\r\nTrace ID: 1")
		}
	}
	page := func(status int) func(http.ResponseWriter, url.Values) {
		return func(w http.ResponseWriter, _ url.Values) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>sign in to the hotel's network</html>"))
		}
	}
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter, url.Values)
		want   oauth.Reason
	}{
		"ended":            {refuse(400, "invalid_grant", "AADSTS70000: it has expired"), oauth.Refused},
		"withdrawn":        {refuse(400, "invalid_grant", "AADSTS65001: no consent"), oauth.Consent},
		"interaction":      {refuse(400, "interaction_required", ""), oauth.Consent},
		"no such client":   {refuse(401, "invalid_client", "no"), oauth.ClientUnknown},
		"a deleted client": {refuse(400, "unauthorized_client", "AADSTS700016"), oauth.ClientUnknown},
		"a missing secret": {refuse(400, "invalid_request", "client_secret is missing."), oauth.ClientUnknown},
		"a wrong scope":    {refuse(400, "invalid_scope", "no"), oauth.Invalid},
		"out of order":     {refuse(500, "server_error", "no"), oauth.Unreachable},
		"overloaded":       {refuse(429, "too_many", "no"), oauth.Unreachable},
		"down":             {page(503), oauth.Unreachable},
		"a captive portal": {page(403), oauth.Unreachable},
		"sent elsewhere":   {page(307), oauth.Unreachable},
		"an empty answer":  {func(w http.ResponseWriter, _ url.Values) { w.WriteHeader(http.StatusNotFound) }, oauth.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refusing atomic.Bool
			w := newWorld(t, oauthtest.Options{Answer: func(w http.ResponseWriter, form url.Values) bool {
				if refusing.Load() {
					tt.answer(w, form)
				}
				return refusing.Load()
			}})
			refusing.Store(true)
			w.clock.move(56 * time.Minute)
			wantToken(t, w.tokens, w.store, w.client, w.Provider) // valid for four minutes
			w.clock.move(10 * time.Minute)
			wantReason(t, w.get(t), tt.want, w.Provider)
			_, err := w.tokens.Look(t.Context(), w.store, w.client)
			if tt.want != oauth.Unreachable {
				wantReason(t, err, tt.want, w.Provider)
			} else if err != nil {
				t.Errorf("a provider that is down: %v, want nothing against the sign-in", err)
			}
			refusing.Store(false)
			w.clock.move(2 * time.Hour) // longer than any rest
			wantToken(t, w.tokens, w.store, w.client, w.Provider)
			if _, err := w.tokens.Look(t.Context(), w.store, w.client); err != nil {
				t.Errorf("after a renewal: %v", err)
			}
		})
	}
}

// TestRest: a provider that refuses is not asked at each login, but soon with
// another secret.
func TestRest(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	w := newWorld(t, oauthtest.Options{Answer: func(w http.ResponseWriter, form url.Values) bool {
		if form.Get("grant_type") != "refresh_token" {
			return false
		}
		asked.Add(1)
		oauthtest.Refuse(w, 400, "invalid_grant", "")
		return true
	}})
	w.clock.move(2 * time.Hour)
	for range 60 {
		wantReason(t, w.get(t), oauth.Refused, w.Provider)
		w.clock.move(time.Minute)
	}
	if n := asked.Load(); n < 5 || n > 7 {
		t.Errorf("asked %d times in an hour, want about 6", n)
	}
}

// TestUnreachable: nothing listens, and then something does.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	away := w.client
	away.Endpoints.Token = "http://" + listener.Addr().String() + "/token"
	if _, err := w.tokens.Get(t.Context(), w.store, away); !errors.Is(err, &oauth.Error{Reason: oauth.Needed}) {
		t.Errorf("another provider has the sign-in of the first: %v", err)
	}
	w.Config.SetKeepAlivesEnabled(false)
	w.clock.move(2 * time.Hour)
	w.Close()
	wantReason(t, w.get(t), oauth.Unreachable, w.Provider)
	row, err := w.store.Token(t.Context(), w.client.Key())
	if err != nil || !row.Asked.IsZero() {
		t.Errorf("a renewal that was never sent counts as one without an answer (%v)", err)
	}
}

// TestUnanswered: a refresh token whose use has no known answer is not used again
// where that may end the sign-in, and is where it cannot.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		keeps bool
		cut   func(http.ResponseWriter)
	}{
		"cut, replaced":     {false, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		"a proxy, replaced": {false, func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) }},
		"not JSON, replaced": {false, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{"))
		}},
		"cut, never replaced":   {true, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		"a proxy, not replaced": {true, func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cutting atomic.Bool
			var asked atomic.Int32
			w := newWorld(t, oauthtest.Options{Keeps: tt.keeps, Answer: func(w http.ResponseWriter, _ url.Values) bool {
				asked.Add(1)
				if cutting.Load() {
					tt.cut(w)
				}
				return cutting.Load()
			}})
			w.clock.move(time.Hour)
			wantToken(t, w.tokens, w.store, w.client, w.Provider) // now it is known whether it is replaced
			cutting.Store(true)
			w.clock.move(57 * time.Minute)
			wantToken(t, w.tokens, w.store, w.client, w.Provider)
			before := asked.Load()
			w.clock.move(time.Hour)
			if tt.keeps {
				wantReason(t, w.get(t), oauth.Unreachable, w.Provider)
				cutting.Store(false)
				w.clock.move(time.Minute) // longer than an outage is left alone
				wantToken(t, w.tokens, w.store, w.client, w.Provider)
				return
			}
			cutting.Store(false)
			wantReason(t, w.get(t), oauth.InDoubt, w.Provider)
			if asked.Load() != before || w.Revoked() != 0 {
				t.Errorf("asked %d times more, %d sign-ins revoked", asked.Load()-before, w.Revoked())
			}
			keep(t, w.tokens, w.store, w.client)
			wantToken(t, w.tokens, w.store, w.client, w.Provider)
		})
	}
}

// errFull is the ledger's error for a full disk.
var errFull = errors.New("the disk is full")

// TestFullDisk: it shows before the provider is asked. If it comes between, what
// the provider gave is used only once it is in the ledger.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	var full atomic.Int32 // 1: for the beginning of a renewal; 2: for what it brings
	w.store.put = func(row ledger.Token, room int, write func() error) error {
		if begins := !row.Asked.IsZero(); begins && full.Load() == 1 || !begins && full.Load() == 2 {
			return errFull
		} else if begins && room < len(row.Access)+len(row.Refresh) {
			t.Errorf("%d octets of room", room)
		}
		return write()
	}
	w.clock.move(2 * time.Hour)
	full.Store(1)
	if err := w.get(t); !errors.Is(err, errFull) || w.Renewals() != 0 {
		t.Errorf("a full disk: %v, and %d renewals, want none", err, w.Renewals())
	}
	full.Store(2)
	for range 3 {
		if err := w.get(t); !errors.Is(err, errFull) {
			t.Errorf("a disk that is full for the answer: %v", err)
		}
	}
	if w.Renewals() != 1 {
		t.Errorf("%d renewals, want one", w.Renewals())
	}
	full.Store(0)
	wantToken(t, w.tokens, w.store, w.client, w.Provider)
	w.clock.move(2 * time.Hour)
	wantToken(t, w.tokens, w.store, w.client, w.Provider)
	if w.Renewals() != 2 || w.Revoked() != 0 {
		t.Errorf("%d renewals, %d sign-ins revoked", w.Renewals(), w.Revoked())
	}
}

// TestNeeded: what cannot be used says why, without asking anybody.
func TestNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	other := w.client
	other.User = "ada@example.net"
	_, err := w.tokens.Get(t.Context(), w.store, other)
	wantReason(t, err, oauth.Needed, w.Provider)

	wider := w.client
	wider.Scopes = append(wider.Scopes, "send")
	_, err = w.tokens.Get(t.Context(), w.store, wider)
	wantReason(t, err, oauth.Narrow, w.Provider)

	upper := w.client
	upper.User = strings.ToUpper(user)
	if _, err := w.tokens.Get(t.Context(), w.store, upper); err != nil {
		t.Errorf("the same mailbox in capitals: %v", err)
	}
	if _, err := w.tokens.Forget(t.Context(), w.store, w.client); err != nil {
		t.Error(err)
	}
	if _, err := w.tokens.Forget(t.Context(), w.store, w.client); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("forgotten twice: %v, want ErrNotFound", err)
	}
	wantReason(t, w.get(t), oauth.Needed, w.Provider)
}

// TestUntil: when the provider ends the sign-in is known if it says so.
func TestUntil(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{Until: 7 * 24 * time.Hour})
	row, err := w.tokens.Look(t.Context(), w.store, w.client)
	if want := w.clock.Now().Add(7 * 24 * time.Hour); err != nil || !row.Until.Equal(want) {
		t.Errorf("it ends at %v, want %v (%v)", row.Until, want, err)
	}
}

// TestClockSet: a clock that is set back makes no access token valid for longer.
func TestClockSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	first := wantToken(t, w.tokens, w.store, w.client, w.Provider)
	w.clock.move(-24 * time.Hour)
	if wantToken(t, w.tokens, w.store, w.client, w.Provider) == first {
		t.Error("a token of tomorrow is taken for a valid one")
	}
}
