package oauth_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/realserver"
)

// startOIDC builds and starts zitadel/oidc's example server, and returns its issuer.
func startOIDC(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oidc")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, ".")
	build.Dir = filepath.Join("testdata", "oidc")
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv(realserver.EnvRequire) == "1" {
			t.Fatalf("building the provider: %v: %s", err, out)
		}
		t.Skipf("the provider cannot be built: %v: %s", err, out)
	}
	server := exec.Command(path)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = server.Wait()
	})
	issuer, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(issuer)
}

// visitor is a user with a browser.
type visitor struct {
	t *testing.T
	*http.Client
}

// newVisitor follows redirects as long as they stay at the provider.
func newVisitor(t *testing.T, issuer string) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{t, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), issuer) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// open returns where a request for an address ended, where it would go on, and the
// page. With a form, it is posted.
func (v visitor) open(address string, form url.Values) (at *url.URL, next, page string) {
	v.t.Helper()
	var r *http.Response
	var err error
	if form == nil {
		r, err = v.Get(address)
	} else {
		r, err = v.PostForm(address, form)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	octets, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return r.Request.URL, r.Header.Get("Location"), string(octets)
}

// signIn opens the address of a sign-in, and returns where the browser ends.
func (v visitor) signIn(address string) string {
	v.t.Helper()
	at, _, page := v.open(address, nil)
	id := at.Query().Get("authRequestID")
	if id == "" {
		v.t.Fatalf("no page to sign in at: %s\n%s", at, page)
	}
	_, next, page := v.open(at.Scheme+"://"+at.Host+"/login/username", url.Values{"id": {id}, "username": {"test-user@localhost"}, "password": {"verysecure"}})
	if next == "" {
		v.t.Fatalf("the sign-in did not end:\n%s", page)
	}
	return next
}

// approve types in a code.
func (v visitor) approve(d *oauth.DeviceCode) {
	v.t.Helper()
	_, _, page := v.open(strings.TrimSuffix(d.URL, "/")+"/login", url.Values{"user_code": {d.Code}, "username": {"test-user@localhost"}, "password": {"verysecure"}})
	at, _, page2 := v.open(strings.TrimSuffix(d.URL, "/")+"/confirm?action=allowed", url.Values{"action": {"allowed"}})
	if !strings.Contains(page2, "uthor") {
		v.t.Fatalf("the code was not accepted at %s:\n%s\n%s", at, page, page2)
	}
}

// TestProviderOfOthers: the flows and renewals of a provider that nobody here wrote,
// with a public client and one with a secret.
func TestProviderOfOthers(t *testing.T) {
	t.Parallel()
	issuer := startOIDC(t)
	secret := func(context.Context) (string, error) { return "secret", nil }
	public := oauth.Client{ID: "native", User: user, Issuer: issuer, Scopes: []string{"openid", "offline_access"}}
	confidential := oauth.Client{ID: "web", Secret: secret, User: user, Issuer: issuer, Scopes: []string{"openid", "offline_access"}}
	device := oauth.Client{ID: "device", Secret: secret, User: user, Issuer: issuer, Scopes: []string{"profile"}} // it has no id for who approves
	for name, tt := range map[string]struct {
		client oauth.Client
		signIn func(*testing.T, oauth.Client) (oauth.SignIn, error)
		renews bool
	}{
		"a browser elsewhere, public client": {public, pasteAt(issuer), true},
		"a browser elsewhere, with a secret": {confidential, pasteAt(issuer), true},
		"a browser here": {public, func(t *testing.T, c oauth.Client) (oauth.SignIn, error) {
			b, err := c.Browser(t.Context())
			if err != nil {
				return oauth.SignIn{}, err
			}
			end := newVisitor(t, issuer).signIn(b.URL)
			go func() {
				if r, err := http.Get(end); err == nil {
					_ = r.Body.Close()
				}
			}()
			return b.Wait(t.Context())
		}, true},
		"a device": {device, func(t *testing.T, c oauth.Client) (oauth.SignIn, error) {
			d, err := c.Device(t.Context())
			if err != nil {
				return oauth.SignIn{}, err
			}
			newVisitor(t, issuer).approve(d)
			return d.Wait(t.Context())
		}, false}, // its client may not renew
	} {
		t.Run(name, func(t *testing.T) {
			s, err := tt.signIn(t, tt.client)
			if err != nil {
				t.Fatal(err)
			}
			clock, ledger := newClock(), newStore(t)
			tokens := &oauth.Tokens{Now: clock.Now}
			if err := tokens.Keep(t.Context(), ledger, tt.client, s); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for range 3 {
				token, err := tokens.Get(t.Context(), ledger, tt.client)
				if err != nil {
					t.Fatal(err)
				}
				if !tt.renews {
					return
				}
				if seen[token] || !knows(t, issuer, token) {
					t.Error("the access token is an old one, or the provider does not take it")
				}
				seen[token] = true
				clock.move(time.Hour)
			}
			was, err := tokens.Forget(t.Context(), ledger, tt.client)
			if err != nil {
				t.Fatal(err)
			}
			if told, err := tt.client.Revoke(t.Context(), was); !told || err != nil || knows(t, issuer, was.Access) {
				t.Errorf("ended at the provider: %v (%v); it still takes the access token: %v", told, err, knows(t, issuer, was.Access))
			}
		})
	}
}

// pasteAt signs in with a browser elsewhere.
func pasteAt(issuer string) func(*testing.T, oauth.Client) (oauth.SignIn, error) {
	return func(t *testing.T, c oauth.Client) (oauth.SignIn, error) {
		r, err := c.Paste(t.Context())
		if err != nil {
			return oauth.SignIn{}, err
		}
		return r.Finish(t.Context(), newVisitor(t, issuer).signIn(r.URL))
	}
}

// knows reports whether the provider takes an access token.
func knows(t *testing.T, issuer, token string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
