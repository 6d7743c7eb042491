package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
)

// TestFlows: each way to sign in leads to an access token that the provider takes,
// also for a client with a secret, and where only the issuer is known.
func TestFlows(t *testing.T) {
	t.Parallel()
	flows := map[string]func(*testing.T, oauth.Client, *oauthtest.Provider) (oauth.SignIn, error){
		"paste": func(t *testing.T, c oauth.Client, _ *oauthtest.Provider) (oauth.SignIn, error) {
			return signIn(t, c), nil
		},
		"browser": func(t *testing.T, c oauth.Client, _ *oauthtest.Provider) (oauth.SignIn, error) {
			b, err := c.Browser(t.Context())
			if err != nil {
				return oauth.SignIn{}, err
			}
			end := oauthtest.Browse(t, b.URL)
			go func() {
				for _, address := range []string{strings.Replace(end, "state=", "state=x", 1), end} { // another's first
					if r, err := http.Get(address); err == nil {
						_ = r.Body.Close()
					}
				}
			}()
			return b.Wait(t.Context())
		},
		"device": func(t *testing.T, c oauth.Client, p *oauthtest.Provider) (oauth.SignIn, error) {
			d, err := c.Device(t.Context())
			if err != nil {
				return oauth.SignIn{}, err
			}
			if d.URL != p.URL+"/activate" || !p.Approve(d.Code, user) {
				t.Errorf("the user is to type %q at %s", d.Code, d.URL)
			}
			return d.Wait(t.Context())
		},
	}
	for name, flow := range flows {
		for _, secret := range []bool{false, true} {
			for _, issuer := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s secret=%v issuer=%v", name, secret, issuer), func(t *testing.T) {
					t.Parallel()
					p := oauthtest.New(t, oauthtest.Options{Secret: secret})
					c := client(p)
					if secret {
						c.Secret = func(context.Context) (string, error) { return oauthtest.Secret, nil }
					}
					if issuer {
						c.Issuer, c.Endpoints = p.URL, oauth.Endpoints{}
					}
					s, err := flow(t, c, p)
					if err != nil {
						t.Fatal(err)
					}
					clock, tokens, ledger := newClock(), new(oauth.Tokens), newStore(t)
					tokens.Now = clock.Now
					if err := tokens.Keep(t.Context(), ledger, c, s); err != nil {
						t.Fatal(err)
					}
					first := wantToken(t, tokens, ledger, c, p)
					if first != s.Access() {
						t.Error("the first access token is not that of the sign-in")
					}
					clock.move(56 * 60e9)
					if wantToken(t, tokens, ledger, c, p) == first || p.Renewals() != 1 || p.Revoked() != 0 {
						t.Errorf("%d renewals four minutes before the end, %d sign-ins revoked", p.Renewals(), p.Revoked())
					}
					wantNoSecret(t, fmt.Sprintf("%v %+v %#v", s, s, s), p)
				})
			}
		}
	}
}

// TestForeignAnswers: an address that belongs to no attempt, or to another, signs
// nobody in.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	p := oauthtest.New(t, oauthtest.Options{})
	c := client(p)
	mine, err := c.Paste(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.Paste(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	end, err := url.Parse(oauthtest.Browse(t, other.URL))
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"", "hello", "http://localhost/?code=abc", end.String(), "http://[::1/?code=%zz"} {
		_, err := mine.Finish(t.Context(), address)
		wantReason(t, err, oauth.Invalid, p)
	}
	state, err := url.Parse(mine.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = mine.Finish(t.Context(), "http://localhost/?error=access_denied&state="+state.Query().Get("state"))
	wantReason(t, err, oauth.Consent, p)
	// Another attempt's code with this one's state: PKCE does not fit.
	q := end.Query()
	q.Set("state", state.Query().Get("state"))
	_, err = mine.Finish(t.Context(), "http://localhost/?"+q.Encode())
	wantReason(t, err, oauth.Refused, p)
}

// TestDeviceEnds: a user who does not agree, and one who leaves, end the waiting.
func TestDeviceEnds(t *testing.T) {
	t.Parallel()
	p := oauthtest.New(t, oauthtest.Options{})
	d, err := client(p).Device(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Deny(d.Code)
	_, err = d.Wait(t.Context())
	wantReason(t, err, oauth.Consent, p)

	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	cancel(left)
	if _, err := d.Wait(ctx); !errors.Is(err, left) {
		t.Errorf("the user left: %v", err)
	}
	_, err = client(oauthtest.New(t, oauthtest.Options{NoDevice: true})).Device(t.Context())
	wantReason(t, err, oauth.ClientUnknown, p)
}

// TestMetadata: an issuer must not lead elsewhere.
func TestMetadata(t *testing.T) {
	t.Parallel()
	p := oauthtest.New(t, oauthtest.Options{})
	for _, issuer := range []string{p.URL + "/other", strings.Replace(p.URL, "127.0.0.1", "localhost", 1), "http://127.0.0.1:1"} {
		c := client(p)
		c.Issuer, c.Endpoints = issuer, oauth.Endpoints{}
		_, err := c.Paste(t.Context())
		wantReason(t, err, oauth.Unreachable, p)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://login.example.net/token": true, "http://127.0.0.1:8080/token": true, "http://localhost/token": true, "http://[::1]/": true,
		"http://login.example.net/token": false, "ftp://localhost/": false, "login.example.net/token": false, "": false,
		"https://user:hunter2@login.example.net/": false, "https://login.example.net/#x": false, "http://localhost.example.net/": false,
	} {
		if got := oauth.CheckURL(address); (got == "") != good {
			t.Errorf("%q: %q, want good: %v", address, got, good)
		}
	}
}
