package check

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// brokenSignIn is a sign-in whose access token has ended, and how it stands now.
type brokenSignIn struct {
	name   string
	keys   string // of oauth2, more than usual
	change func(*testing.T, *signInWorld)
}

// signInWorld is a provider and a ledger in which somebody has signed in.
type signInWorld struct {
	provider *oauthtest.Provider
	answer   atomic.Pointer[func(http.ResponseWriter)] // instead of the provider's own answers
	store    ledger.Store
	client   oauth.Client
}

// answers has the provider answer so from now on.
func answers(do func(http.ResponseWriter)) func(*testing.T, *signInWorld) {
	return func(_ *testing.T, w *signInWorld) { w.answer.Store(&do) }
}

func refuses(status int, code, text string) func(*testing.T, *signInWorld) {
	return answers(func(w http.ResponseWriter) { oauthtest.Refuse(w, status, code, text) })
}

// put changes the sign-in in the ledger.
func (w *signInWorld) put(t *testing.T, change func(*ledger.Token)) {
	t.Helper()
	l, err := w.store.LeaseToken(t.Context(), w.client.Key())
	if err != nil {
		t.Fatal(err)
	}
	row, err := l.Token(t.Context())
	change(&row)
	if err := errors.Join(err, l.Put(t.Context(), row, 0), l.Release()); err != nil {
		t.Fatal(err)
	}
}

// brokenSignIns are what can befall one. The texts of providers are Microsoft's.
var brokenSignIns = []brokenSignIn{
	{"nobody has signed in, or the ledger was lost", "", func(t *testing.T, w *signInWorld) {
		if _, err := new(oauth.Tokens).Forget(t.Context(), app.TokenStore{Store: w.store}, w.client); err != nil {
			t.Fatal(err)
		}
	}},
	{"the provider has been down for a day", "", func(t *testing.T, w *signInWorld) {
		w.put(t, func(row *ledger.Token) {
			row.Obtained, row.Ends = time.Now().Add(-25*time.Hour), time.Now().Add(-24*time.Hour)
		})
		answers(func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })(t, w)
	}},
	{"nothing listens at the provider", "", func(_ *testing.T, w *signInWorld) { w.provider.Close() }},
	{"an answer that cannot be read", "", answers(func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>welcome</html>")) })},
	{"the client's secret was changed", "", refuses(401, "invalid_client", "AADSTS7000215: Invalid client secret provided. Trace ID: 1")},
	{"the registration was removed", "", refuses(400, "unauthorized_client", "AADSTS700016: Application with identifier 'x' was not found in the directory.")},
	{"the user has withdrawn what was allowed", "", refuses(400, "invalid_grant", "AADSTS65001: The user or administrator has not consented to use the application.")},
	{"the sign-in has ended", "", refuses(400, "invalid_grant", "AADSTS700082: The token has expired due to inactivity.")},
	{"the provider refuses, and the clock is wrong", "", answers(func(w http.ResponseWriter) {
		w.Header().Set("Date", time.Now().Add(-26*time.Hour).UTC().Format(http.TimeFormat))
		oauthtest.Refuse(w, 400, "invalid_grant", "AADSTS500133: Assertion is not within its valid time range.")
	})},
	{"the provider's certificate is not valid by the clock", "", func(t *testing.T, w *signInWorld) {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		cert := certtest.New(t).ServerFrom(time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour), "127.0.0.1")
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		w.put(t, func(row *ledger.Token) { row.URL = srv.URL })
	}},
	{"the last renewal has no known answer", "", func(t *testing.T, w *signInWorld) {
		w.put(t, func(row *ledger.Token) { row.Asked = time.Now().Add(-time.Hour) })
	}},
	{"more is needed than the sign-in allows", ", scopes: [mail, send]", nil},
	{"a scope that is unknown", "", refuses(400, "invalid_scope", "AADSTS70011: The provided value for the input parameter 'scope' is not valid.")},
	{"the server refuses the new access token", "", func(*testing.T, *signInWorld) {}},
}

// TestTextOfBrokenSignIns: what check says of them stands in testdata/signins.txt.
func TestTextOfBrokenSignIns(t *testing.T) {
	t.Parallel()
	said := make([]string, len(brokenSignIns))
	t.Run("each", func(t *testing.T) {
		for i, s := range brokenSignIns {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				said[i] = "== " + s.name + "\n" + problems(t, s.check(t))
			})
		}
	})
	golden(t, filepath.Join("testdata", "signins.txt"), strings.Join(said, "\n"))
}

// check signs in, breaks that, and returns what check says.
func (s brokenSignIn) check(t *testing.T) string {
	w := new(signInWorld)
	w.provider = oauthtest.New(t, oauthtest.Options{Answer: func(rw http.ResponseWriter, _ url.Values) bool {
		do := w.answer.Load()
		if do != nil {
			(*do)(rw)
		}
		return do != nil
	}})
	f := newFixture(t)
	f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true, Handle: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "AUTH" {
			s.Write("-ERR [AUTH] Authentication failed.\r\n")
		}
		return verb == "AUTH"
	}})
	f.ledger = func(cfg *config.Config) ledger.Store {
		var err error
		if w.store, err = app.OpenLedger(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.store.Close() })
		w.client = app.NewSignIns(cfg).Client(cfg.Accounts[0].Server)
		signedFor := w.client
		signedFor.Scopes = []string{"mail"}
		w.signIn(t, signedFor)
		if s.change != nil {
			s.change(t, w)
		}
		return w.store
	}
	_, forward := f.good()
	account := fmt.Sprintf("host: %s, username: leo, oauth2: {client_id: %s, token_url: %s/token, auth_url: %[3]s/authorize%s}",
		popHost, oauthtest.Client, w.provider.URL, cmp.Or(s.keys, ", scopes: [mail]"))
	_, text, _ := f.check(account, forward)
	for _, secret := range w.provider.Secrets() {
		if _, random, _ := strings.Cut(secret, "-"); strings.Contains(text, random) {
			t.Errorf("a %.8s... shows:\n%s", secret, text)
		}
	}
	return text
}

// signIn signs in with a browser. The access token has ended.
func (w *signInWorld) signIn(t *testing.T, c oauth.Client) {
	t.Helper()
	r, err := c.Paste(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signedIn, err := r.Finish(t.Context(), oauthtest.Browse(t, r.URL))
	if err == nil {
		err = new(oauth.Tokens).Keep(t.Context(), app.TokenStore{Store: w.store}, c, signedIn)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, func(row *ledger.Token) { row.Ends = row.Obtained })
}
