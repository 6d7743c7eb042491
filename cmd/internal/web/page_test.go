package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

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
		"The login was refused.", "4 polls in a row.", "Many providers require an app password", "-ERR [AUTH] Authentication failed.",
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

// TestPageHidesMailBeforeLogin: without the password there are no buttons, and
// nothing about senders and subjects.
func TestPageHidesMailBeforeLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.busy()
	private := []string{"lottery.example", "You have won", "Minutes of the meeting", "looks like spam", "greylisted", "board@club", `action="retry"`, `action="poll"`}
	_, outside := s.get("/")
	contains(t, outside, `href="login"`)
	for _, words := range private {
		if strings.Contains(outside, words) {
			t.Errorf("before the login the page has %q, want it hidden", words)
		}
	}
	r := request(http.MethodGet, "/", "")
	r.SetBasicAuth("anybody", s.password)
	_, inside := s.do(r)
	for _, words := range private {
		if !strings.Contains(inside, words) {
			t.Errorf("after the login the page lacks %q, want it shown", words)
		}
	}
	if strings.Contains(inside, "<script") || strings.Contains(inside, "<b>Office") {
		t.Error("the page has markup that a sender wrote, want it escaped")
	}
}

func TestNoPasswordNoButtons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.busy()
	s.password = ""
	_, body := s.get("/")
	contains(t, body, "set <code>web.password_file</code>")
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
