package web_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
)

// guessed is a site behind a proxy.
type guessed struct {
	*site
	addr string
}

func newGuessed(t *testing.T) *guessed {
	t.Helper()
	s := newSite(t)
	s.access = web.Access{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	return &guessed{s, serve(t, s, nil)}
}

// try logs in by the form and returns the answer.
func (g *guessed) try(t *testing.T, from, password string, cookies ...*http.Cookie) response {
	t.Helper()
	r := ask(t, g.addr, "/login", url.Values{"password": {password}})
	r.Header.Set("X-Forwarded-For", from)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	res, _ := send(t, r)
	if (res.StatusCode == http.StatusTooManyRequests) != (res.Header.Get("Retry-After") != "") {
		t.Errorf("%s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
	return res
}

// basic asks for the status by HTTP Basic and returns the status code.
func (g *guessed) basic(t *testing.T, from, password string) int {
	t.Helper()
	r := ask(t, g.addr, "/status.json", nil)
	r.Header.Set("X-Forwarded-For", from)
	r.SetBasicAuth("", password)
	res, _ := send(t, r)
	return res.StatusCode
}

// storm guesses from many addresses, until strangers have to wait.
func (g *guessed) storm(t *testing.T) {
	t.Helper()
	for i := range 40 {
		g.try(t, fmt.Sprintf("203.0.113.%d", i), "guess")
	}
}

// device returns the cookie by which a browser is known.
func device(t *testing.T, res response) *http.Cookie {
	t.Helper()
	for _, c := range res.Cookies() {
		if c.Name == "popferry_device" {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge < 30*24*3600 {
				t.Errorf("the cookie is %+v, want HttpOnly, SameSite=Strict and a month or more", c)
			}
			return c
		}
	}
	t.Fatalf("%s with the cookies %v, want one named popferry_device", res.Status, res.Cookies())
	return nil
}

// TestOthersDoNotLockOut: whatever others guess, a browser that has logged in before
// can log in, from wherever, also after popferry has restarted; and so can a script
// from an address that has.
func TestOthersDoNotLockOut(t *testing.T) {
	t.Parallel()
	g := newGuessed(t)
	owner := device(t, g.try(t, "198.51.100.1", g.password))
	if code := g.basic(t, "198.51.100.9", g.password); code != 200 {
		t.Fatalf("a script: %d, want 200", code)
	}
	g.storm(t)
	if res := g.try(t, "198.51.100.2", g.password); res.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("a stranger: %s, want 429 in this storm", res.Status)
	}
	again := g.try(t, "198.51.100.3", g.password, owner)
	if again.StatusCode != http.StatusSeeOther {
		t.Errorf("the owner's browser, from elsewhere: %s, want 303", again.Status)
	}
	if c := device(t, again); c.Value != owner.Value {
		t.Errorf("its cookie is %q, then %q; want the same", owner.Value, c.Value)
	}
	if code := g.basic(t, "198.51.100.9", g.password); code != 200 {
		t.Errorf("a script, from its address: %d, want 200", code)
	}

	restarted := newGuessed(t)
	restarted.storm(t)
	if res := restarted.try(t, "198.51.100.3", restarted.password, owner); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the owner's browser, after a restart: %s, want 303", res.Status)
	}
	if res := restarted.try(t, "203.0.113.200", restarted.password); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a stranger, after it: %s, want 429", res.Status)
	}
}

// TestDeviceCookie: it is no login, cannot be made up, and its holder's guesses are
// slowed down as others' are, at nobody else's expense.
func TestDeviceCookie(t *testing.T) {
	t.Parallel()
	g := newGuessed(t)
	owner := device(t, g.try(t, "198.51.100.1", g.password))

	r := ask(t, g.addr, "/poll", url.Values{"account": {"isp"}})
	r.AddCookie(owner)
	if res, _ := send(t, r); res.StatusCode != http.StatusForbidden || len(g.actions.done) > 0 {
		t.Errorf("a button with this cookie alone: %s, actions done: %q; want 403 and none", res.Status, g.actions.done)
	}

	// More than strangers may guess in a minute, all by one browser.
	wrong := 0
	for i := range 40 {
		if g.try(t, fmt.Sprintf("198.51.100.%d", i), "guess", owner).StatusCode == http.StatusForbidden {
			wrong++
		}
	}
	if wrong != 3 {
		t.Errorf("%d guesses of one browser were compared, want 3", wrong)
	}
	if res := g.try(t, "198.51.100.50", g.password); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a stranger: %s, want 303", res.Status)
	}
	g.now = g.now.Add(2 * time.Second)
	if res := g.try(t, "198.51.100.51", g.password, owner); res.StatusCode != http.StatusSeeOther {
		t.Errorf("that browser, after its wait: %s, want 303", res.Status)
	}

	g.now = g.now.Add(time.Hour)
	g.storm(t)
	id, signature, _ := strings.Cut(owner.Value, ".")
	for name, value := range map[string]string{
		"no signature": id, "an empty one": id + ".", "another's": "AAAAAAAA." + signature, "no browser": "." + signature, "nothing": "",
	} {
		if res := g.try(t, "198.51.100.60", g.password, &http.Cookie{Name: "popferry_device", Value: value}); res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("with %s: %s, want 429", name, res.Status)
		}
	}
	g.password = "another password"
	if res := g.try(t, "198.51.100.60", g.password, owner); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("known under another password: %s, want 429", res.Status)
	}
}

// TestClientsBehindProxy: one client's wrong passwords are not another's.
func TestClientsBehindProxy(t *testing.T) {
	t.Parallel()
	g := newGuessed(t)
	for range 5 {
		g.try(t, "203.0.113.1", "guess")
	}
	if res := g.try(t, "203.0.113.1", g.password); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("who guessed: %s, want 429", res.Status)
	}
	if res := g.try(t, "198.51.100.1", g.password); res.StatusCode != http.StatusSeeOther {
		t.Errorf("another client: %s, want 303", res.Status)
	}
}
