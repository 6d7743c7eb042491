package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

func TestPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.busy()
	res, body := s.get("/")
	if res.Code != 200 {
		t.Fatalf("status %s, want 200", res.Status)
	}
	contains(t, body,
		"1 of 5 accounts is failing",
		"The login was refused.", "4 polls in a row.", "Many providers require an app password", "Log in to see the details.",
		`<span class="word amber">1 message needs you</span>`, `<span class="word green">working</span>`,
		`<span class="word grey">not polled yet</span>`, `<span class="word grey">disabled</span>`,
		`<b>1284</b> forwarded`, "3 min ago", "in 7 min", `datetime="2026-11-20T11:57:00Z"`,
		`aria-label="In the last 30 days: `, "<title>20 Nov: 20 forwarded, 1 held</title>",
		"Waiting messages", `<span class="tag held">held</span>`, ">in 25 min</time>",
		`content="60;url=./"`)
	if at := strings.Index(body, "treasurer@"); at > strings.Index(body, "isp") || at < 0 {
		t.Error("the failing account is not the first one, want it first")
	}
}

// TestMailIsHiddenBeforeLogin: without the password there are no buttons, and nothing
// that senders and servers wrote, wherever one looks.
func TestMailIsHiddenBeforeLogin(t *testing.T) {
	t.Parallel()
	onPage := []string{"lottery.example", "You have won", "Minutes of the meeting", "looks like spam", "greylisted", "board@club", "Authentication failed", `action="retry"`, `action="poll"`}
	for _, password := range []string{"open sesame", ""} {
		s := newSite(t)
		s.busy()
		s.password = password
		addr := serve(t, s, nil)
		for _, path := range []string{"/", "/?did=poll", "/status.json", "/metrics", "/login"} {
			res, body := send(t, ask(t, addr, path, nil))
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s, want 200", path, res.Status)
			}
			for _, words := range append(onPage, "what the server said\"") {
				if strings.Contains(body, words) {
					t.Errorf("%s before the login has %q, want it hidden", path, words)
				}
			}
		}
	}

	s := newSite(t)
	s.busy()
	addr := serve(t, s, nil)
	inside := func(path string) string {
		r := ask(t, addr, path, nil)
		r.SetBasicAuth("anybody", s.password)
		_, body := send(t, r)
		return body
	}
	page := inside("/")
	contains(t, page, onPage...)
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>Office") {
		t.Error("the page has markup that a sender wrote, want it escaped")
	}
	contains(t, inside("/status.json"), "what the server said")
}

// TestWrongPasswordIsSaid: whoever gives a wrong password is not left to believe that
// the public page is all there is.
func TestWrongPasswordIsSaid(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/status.json"} {
		s := newSite(t)
		addr := serve(t, s, nil)
		for i, want := range []string{"Wrong password", "Wrong password", "Wrong password", "Too many wrong passwords"} {
			r := ask(t, addr, path, nil)
			r.SetBasicAuth("", "guess")
			res, body := send(t, r)
			if code := map[bool]int{false: 403, true: 429}[i == 3]; res.StatusCode != code || !strings.Contains(body, want) {
				t.Errorf("%s, wrong password %d: %s, want %d with %q in\n%s", path, i, res.Status, code, want, body)
			}
		}
		if n := strings.Count(s.log.String(), `msg="wrong password for the status page" from=127.0.0.1`); n != 3 {
			t.Errorf("%s: %d lines about wrong passwords, want 3:\n%s", path, n, s.log)
		}
	}
}

// TestUnusablePassword: with a password that cannot be used, nobody can log in, and
// whoever tries is told where to look. The public page goes on.
func TestUnusablePassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	addr := serve(t, s, nil)
	inside := s.logIn(t)
	s.password, s.secret = "", errBroken
	for _, tt := range []struct {
		name string
		path string
		form url.Values
		with func(*http.Request)
		code int
	}{
		{"the page", "/", nil, func(*http.Request) {}, 200},
		{"with a session", "/", nil, func(r *http.Request) { r.AddCookie(inside) }, 200},
		{"with a password", "/", nil, func(r *http.Request) { r.SetBasicAuth("", "open sesame") }, 500},
		{"status with a password", "/status.json", nil, func(r *http.Request) { r.SetBasicAuth("", "") }, 500},
		{"login", "/login", url.Values{"password": {""}}, func(*http.Request) {}, 500},
		{"a button", "/poll", url.Values{"account": {"isp"}}, func(r *http.Request) { r.AddCookie(inside) }, 500},
	} {
		r := ask(t, addr, tt.path, tt.form)
		tt.with(r)
		res, body := send(t, r)
		if res.StatusCode != tt.code || (tt.code == 500) != strings.Contains(body, "the password in web.password_file. See the log.") || strings.Contains(body, `action="poll"`) {
			t.Errorf("%s: %s, want %d, without buttons, and an explanation if it is an error:\n%s", tt.name, res.Status, tt.code, body)
		}
	}
	contains(t, s.log.String(), errBroken.Error())
	if len(s.actions.done) > 0 {
		t.Errorf("actions done: %q, want none", s.actions.done)
	}
}

func TestNoPasswordNoButtons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.busy()
	s.password = ""
	_, body := s.get("/")
	contains(t, body, "set <code>web.password_file</code>", "<code>popferry status</code> shows the details.")
	if strings.Contains(body, `href="login"`) || strings.Contains(body, "<form") {
		t.Error("the page offers a login, want none without a password")
	}
	for _, password := range []string{"", "x"} {
		if res, _ := s.do(request(http.MethodPost, "/login", "password="+password)); res.Code != 403 || len(res.cookies) > 0 {
			t.Errorf("password %q: %s, want 403", password, res.Status)
		}
		r := request(http.MethodPost, "/poll", "")
		r.SetBasicAuth("", password)
		if res, _ := s.do(r); res.Code != 403 {
			t.Errorf("password %q: %s, want 403", password, res.Status)
		}
	}
	if len(s.actions.done) > 0 {
		t.Errorf("actions done: %q, want none", s.actions.done)
	}
}

// TestSecurityHeaders: every answer has them, whatever its path.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.busy()
	for _, path := range []string{"/", "/login", "/style.css", "/icon.svg", "/status.json", "/metrics", "/healthz", "/readyz", "/nonsense"} {
		res, body := s.get(path)
		h := res.Header
		policy := h.Get("Content-Security-Policy")
		contains(t, policy, "default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'")
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: the policy is %q, want neither unsafe nor script-src", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: the header is %v, want nosniff, same-origin and DENY", path, h)
		}
		for _, inline := range []string{"<script", "<style", " style=", "onclick", "onload", "http://", "https://"} {
			if strings.HasPrefix(h.Get("Content-Type"), "text/html") && strings.Contains(body, inline) {
				t.Errorf("%s has %q in it, want nothing inline", path, inline)
			}
		}
		if strings.Contains(body, s.password) {
			t.Errorf("%s shows the password", path)
		}
	}
}

func TestManyAccounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ledger.accounts = nil
	for i := range 250 {
		s.ledger.accounts = append(s.ledger.accounts, web.Account{ID: int64(i), Name: fmt.Sprintf("account-%03d", i), Enabled: true, LastPoll: noon})
	}
	s.ledger.accounts[249].Failures = 1
	for path, want := range map[string][]string{
		"/":            {"account-249", "account-098", `href="./?from=100"`},
		"/?from=100":   {"account-099", "account-198", `href="./?from=0"`, `href="./?from=200"`},
		"/?from=200":   {"account-199", "account-248", `href="./?from=100"`},
		"/?from=-1":    {"account-249"},
		"/?from=99999": {"account-249"},
	} {
		_, body := s.get(path)
		contains(t, body, want...)
		if refresh := strings.Contains(body, `http-equiv="refresh"`); refresh != (path == "/") {
			t.Errorf("%s refreshes itself: %t, want %t", path, refresh, path == "/")
		}
		if n := strings.Count(body, "<article"); n > 100 {
			t.Errorf("%s has %d accounts, want at most 100", path, n)
		}
	}
}

func TestPageWithoutLedger(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ledger.err = errBroken
	res, body := s.get("/")
	if res.Code != 500 || strings.Contains(body, errBroken.Error()) {
		t.Errorf("status %s, want 500 without the error in\n%s", res.Status, body)
	}
	contains(t, body, "The ledger cannot be read")
	contains(t, s.log.String(), errBroken.Error())
}

func TestHeadline(t *testing.T) {
	t.Parallel()
	well := web.Account{Enabled: true, LastPoll: noon}
	held := web.Account{Enabled: true, LastPoll: noon, Counts: map[ledger.State]int{ledger.Held: 2}}
	bad := web.Account{Enabled: true, Failures: 1}
	for want, accounts := range map[string][]web.Account{
		"Nothing has been polled yet":    nil,
		"All is well":                    {well},
		"All is well with 2 accounts":    {well, well},
		"The account needs attention":    {held},
		"2 of 3 accounts need attention": {held, well, held},
		"The account is failing":         {bad},
		"2 of 3 accounts are failing":    {bad, held, bad},
		"<h2><span class=\"dot amber\"":  {held},
	} {
		s := newSite(t)
		s.ledger.accounts = accounts
		_, body := s.get("/")
		contains(t, body, want)
	}
}

func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("want %q in\n%s", w, text)
		}
	}
}

// TestSignInsOnThePage: a sign-in that cannot be used or ends soon is shown with what
// to do, though all accounts work; whose it is, and what the provider said, only after
// a login.
func TestSignInsOnThePage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		signIns []web.SignIn
		want    []string
	}{
		"needed": {
			[]web.SignIn{{Name: "inbox", User: "leo@outlook.example", Cause: ledger.Cause{Code: "signin_needed", Text: "leo@outlook.example: there is no sign-in"}}},
			[]string{"A sign-in has to be repeated", "Nobody has signed in.", "<code>popferry login inbox</code>", `<span class="word red">not signed in</span>`},
		},
		"refused": {
			[]web.SignIn{{Name: "inbox", Cause: ledger.Cause{Code: "signin_refused", Text: "leo@outlook.example: invalid_grant"}}, {Name: "other", Cause: ledger.Cause{Code: "signin_consent"}}},
			[]string{"2 sign-ins have to be repeated", "The provider has ended the sign-in.", "The provider wants the user, or an administrator, to allow the access.", "popferry login other"},
		},
		"will end": {
			[]web.SignIn{{Name: "isp", User: "leo@outlook.example", Until: noon.Add(50 * time.Hour)}},
			[]string{"A sign-in has to be repeated", "The provider ends the sign-in", "in 2 days", "Sign in again before that", "popferry login isp", `<span class="word amber">ends soon</span>`},
		},
	} {
		s := newSite(t)
		s.ledger.accounts[0].Counts = nil
		s.ledger.signIns = tt.signIns
		_, public := s.get("/")
		contains(t, public, tt.want...)
		if strings.Contains(public, "leo@outlook") || strings.Contains(public, "invalid_grant") {
			t.Errorf("%s: the public sees whose sign-in it is, or what the provider said", name)
		}
	}
	s := newSite(t)
	_, page := s.get("/")
	if strings.Contains(page, "Sign-ins") {
		t.Error("there is a list of sign-ins, and none to repeat")
	}
}

// A destination that fails is shown once, with its address only to those who have
// logged in, and not in the words of each account.
func TestPageGroupsByDestination(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	down := ledger.Cause{Code: "network", Text: "dial tcp 192.0.2.1:587: connection refused"}
	s.ledger.forward = []web.Destination{{Name: "main", Endpoint: "smtp smtp.example.org:587", Cause: down}, {Name: "other"}}
	s.ledger.accounts = []web.Account{
		{ID: 1, Name: "isp", Enabled: true, Source: "leo at pop.example.net", Forward: "main", Endpoint: "smtp smtp.example.org:587", Failures: 1, Cause: down},
		{ID: 2, Name: "club", Enabled: true, Source: "leo at pop.club.example", Forward: "main", Endpoint: "smtp smtp.example.org:587", Failures: 1, Cause: down},
		{ID: 3, Name: "work", Enabled: true, Source: "leo at pop.work.example", Forward: "other"},
	}
	_, page := s.get("/")
	for text, want := range map[string]int{"The destination main fails": 1, "2 accounts wait for it": 1, "Its destination, main, fails: see above": 2, "192.0.2.1": 0, "smtp.example.org": 0, "pop.example.net": 0} {
		if got := strings.Count(page, text); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", text, got, want, page)
		}
	}
}
