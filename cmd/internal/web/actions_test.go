package web_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// request returns a request as a browser sends it from the page.
func request(method, path, form string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func (s *site) logIn(t *testing.T) *http.Cookie {
	t.Helper()
	res, _ := s.do(request(http.MethodPost, "/login", url.Values{"password": {s.password}}.Encode()))
	if res.Code != 303 || res.Header.Get("Location") != "./" || len(res.cookies) != 2 {
		t.Fatalf("log in: %s %v, want 303 to ./ with a cookie", res.Status, res.Header)
	}
	return res.cookies[0]
}

// press sends a form with a cookie, if there is one.
func (s *site) press(c *http.Cookie, path, form string) answer {
	r := request(http.MethodPost, path, form)
	if c != nil {
		r.AddCookie(c)
	}
	res, _ := s.do(r)
	return res
}

func TestCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.logIn(t)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || len(c.Value) < 26 {
		t.Errorf("cookie %+v, want HttpOnly, SameSite=Strict, not Secure, 26 characters", c)
	}
	r := request(http.MethodPost, "/login", url.Values{"password": {s.password}}.Encode())
	r.Header.Set("X-Forwarded-Proto", "https")
	if res, _ := s.do(r); !res.cookies[0].Secure {
		t.Error("behind a proxy with TLS the cookie is not Secure, want it Secure")
	}
}

func TestButtons(t *testing.T) {
	t.Parallel()
	uid := hex.EncodeToString([]byte("uid-1\x00\xff"))
	forms := []struct{ path, form, done string }{
		{"/poll", "", "poll "},
		{"/poll", "account=isp", "poll isp"},
		{"/retry", "account=isp&uid=" + uid, "retry isp uid-1\x00\xff"},
		{"/skip", "account=isp&uid=" + uid, "skip isp uid-1\x00\xff"},
	}
	for _, tt := range forms {
		s := newSite(t)
		if res := s.press(nil, tt.path, tt.form); res.Code != 403 {
			t.Errorf("%s without a password: %s, want 403", tt.path, res.Status)
		}
		if res := s.press(&http.Cookie{Name: "popferry_session", Value: "x"}, tt.path, tt.form); res.Code != 403 {
			t.Errorf("%s with a made-up cookie: %s, want 403", tt.path, res.Status)
		}
		if len(s.actions.done) > 0 {
			t.Errorf("%s: actions done: %q, want none", tt.path, s.actions.done)
		}
		c := s.logIn(t)
		res := s.press(c, tt.path, tt.form)
		if res.Code != 303 || res.Header.Get("Location") != "./?did="+tt.path[1:] || !slices.Equal(s.actions.done, []string{tt.done}) {
			t.Errorf("%s: %s to %q, actions done: %q; want 303 and %q", tt.path, res.Status, res.Header.Get("Location"), s.actions.done, tt.done)
		}
		r := request(http.MethodGet, "/?did="+tt.path[1:], "")
		r.AddCookie(c)
		_, body := s.do(r)
		contains(t, body, `role="status"`, `content="4;url=./"`)
		if get, _ := s.get(tt.path); get.Code != 405 {
			t.Errorf("%s by GET: %s, want 405", tt.path, get.Status)
		}
	}
}

func TestButtonThatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.logIn(t)
	s.actions.err = errBroken
	r := request(http.MethodPost, "/retry", "account=isp&uid=61")
	r.AddCookie(c)
	res, body := s.do(r)
	if res.Code != 409 {
		t.Errorf("an action that fails: %s, want 409", res.Status)
	}
	contains(t, body, errBroken.Error())
	if res := s.press(c, "/retry", "account=isp&uid=nonsense"); res.Code != 409 || len(s.actions.done) != 1 {
		t.Errorf("a UID that is not hexadecimal: %s, %d actions done; want 409 and 1", res.Status, len(s.actions.done))
	}
}

// TestCrossSiteRequests: another site cannot press buttons, whatever the browser
// adds to its requests.
func TestCrossSiteRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.logIn(t)
	for name, set := range map[string]func(http.Header){
		"cross-site":   func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":    func(h http.Header) { h.Set("Sec-Fetch-Site", "same-site") },
		"old browser":  func(h http.Header) { h.Del("Sec-Fetch-Site"); h.Set("Origin", "http://evil.example") },
		"opaque frame": func(h http.Header) { h.Del("Sec-Fetch-Site"); h.Set("Origin", "null") },
	} {
		for _, path := range []string{"/poll", "/retry", "/skip", "/login", "/logout"} {
			r := request(http.MethodPost, path, "account=isp&uid=61&password="+url.QueryEscape(s.password))
			r.AddCookie(c)
			r.SetBasicAuth("", s.password)
			set(r.Header)
			if res, _ := s.do(r); res.Code != 403 || len(res.cookies) > 0 {
				t.Errorf("%s, %s: %s with %d cookies, want 403 and none", name, path, res.Status, len(res.cookies))
			}
		}
	}
	if len(s.actions.done) > 0 {
		t.Errorf("actions done: %q, want none", s.actions.done)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*site, *http.Cookie){
		"by logging out":     func(s *site, c *http.Cookie) { s.press(c, "/logout", "") },
		"with time":          func(s *site, _ *http.Cookie) { s.now = s.now.Add(13 * time.Hour) },
		"with the password":  func(s *site, _ *http.Cookie) { s.password = "another" },
		"without a password": func(s *site, _ *http.Cookie) { s.password = "" },
		"behind many logins": func(s *site, _ *http.Cookie) { s.manyLogins() },
	} {
		s := newSite(t)
		c := s.logIn(t)
		if res := s.press(c, "/poll", ""); res.Code != 303 {
			t.Errorf("%s: before the end: %s, want 303", name, res.Status)
		}
		s.now = s.now.Add(time.Minute)
		end(s, c)
		if res := s.press(c, "/poll", ""); res.Code != 403 {
			t.Errorf("%s: %s, want 403", name, res.Status)
		}
	}
}

func (s *site) manyLogins() {
	for range 100 {
		s.now = s.now.Add(time.Second)
		s.do(request(http.MethodPost, "/login", url.Values{"password": {s.password}}.Encode()))
	}
}

// TestPasswordGuessing: wrong passwords cost their sender a growing wait. Other
// addresses and open sessions are not affected.
func TestPasswordGuessing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	inside := s.logIn(t)
	try := func(from, password string) int {
		r := request(http.MethodPost, "/login", url.Values{"password": {password}}.Encode())
		r.RemoteAddr = from
		res, _ := s.do(r)
		if (res.Code == 429) != (res.Header.Get("Retry-After") != "") {
			t.Errorf("%s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
		}
		return res.Code
	}
	evil := "[2001:db8::1]:1000"
	for i := range 3 {
		if code := try(evil, "guess"); code != 403 {
			t.Fatalf("guess %d: %d, want 403", i, code)
		}
	}
	for _, from := range []string{evil, "[2001:db8::2]:2000"} { // the same network
		if code := try(from, s.password); code != 429 {
			t.Errorf("%s: the right password right after wrong ones: %d, want 429", from, code)
		}
	}
	if code := try("192.0.2.7:1", s.password); code != 303 {
		t.Errorf("another address: %d, want 303", code)
	}
	if res := s.press(inside, "/poll", ""); res.Code != 303 {
		t.Errorf("an open session: %s, want 303", res.Status)
	}
	s.now = s.now.Add(1100 * time.Millisecond)
	if code := try(evil, "guess"); code != 403 {
		t.Errorf("after a second: %d, want 403", code)
	}
	s.now = s.now.Add(1100 * time.Millisecond)
	if code := try(evil, "guess"); code != 429 {
		t.Errorf("after one more second: %d, want 429", code)
	}
	s.now = s.now.Add(time.Hour)
	if code := try(evil, s.password); code != 303 {
		t.Errorf("after an hour: %d, want 303", code)
	}
	wrong := 0
	for i := range 100 {
		if try(fmt.Sprintf("198.51.100.%d:1", i), "guess") == 403 {
			wrong++
		}
	}
	if wrong != 30 {
		t.Errorf("%d guesses in a minute from all addresses, want 30", wrong)
	}
}

// TestBasicAuth: scripts can use it; guessing is slowed down as in the form.
func TestBasicAuth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	poll := func(password string) int {
		r := httptest.NewRequest(http.MethodPost, "/poll", nil)
		r.SetBasicAuth("me", password)
		res, _ := s.do(r)
		return res.Code
	}
	for range 3 {
		if code := poll("wrong"); code != 403 {
			t.Errorf("a wrong password: %d, want 403", code)
		}
	}
	if code := poll(s.password); code != 429 || len(s.actions.done) > 0 {
		t.Errorf("the right password right after wrong ones: %d, actions done: %q; want 429 and none", code, s.actions.done)
	}
	s.now = s.now.Add(2 * time.Second)
	if code := poll(s.password); code != 303 {
		t.Errorf("the right password after the wait: %d, want 303", code)
	}
}
