package web_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
)

// firstSetup are the pages of run --setup, on the loopback address.
type firstSetup struct {
	addr, code string
	boxes      *fakeMailboxes
	log        *strings.Builder
	now        time.Time
	done       atomic.Int32
}

func newFirstSetup(t *testing.T, wrap func(net.Listener) net.Listener) *firstSetup {
	t.Helper()
	f := &firstSetup{code: web.NewCode(), boxes: &fakeMailboxes{}, log: &strings.Builder{}, now: noon}
	f.addr = serve(t, web.NewFirstSetup(web.FirstSetupOptions{
		Mailboxes: f.boxes, Code: f.code, Ends: noon.Add(30 * time.Minute), Done: func() { f.done.Add(1) }, Version: "1.2.3",
		Log: slog.New(slog.NewTextHandler(f.log, nil)), Now: func() time.Time { return f.now },
	}), wrap)
	return f
}

// logIn sends a code and returns the answer with its body.
func (f *firstSetup) logIn(t *testing.T, code string) (response, string) {
	t.Helper()
	return send(t, ask(t, f.addr, "/login", url.Values{"code": {code}}))
}

// The code lets one browser in, once, however it is typed. It is in no address and in
// no log.
func TestCode(t *testing.T) {
	t.Parallel()
	f := newFirstSetup(t, nil)
	if other := web.NewCode(); other == f.code || len(strings.ReplaceAll(f.code, "-", "")) != 12 {
		t.Errorf("two codes are %q and %q, want twelve characters each, at random", f.code, other)
	}
	for _, path := range []string{"/setup", "/talk", "/setup?code=" + f.code, "/login?code=" + f.code} {
		form := url.Values{"address": {"leo@isp.test"}}
		if res, body := send(t, ask(t, f.addr, path, form)); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
			t.Errorf("%s without a posted code: %s, want 403 and no cookie\n%s", path, res.Status, body)
		}
	}
	if res, body := send(t, ask(t, f.addr, "/", nil)); res.StatusCode != http.StatusOK || !strings.Contains(body, `method="post" action="login"`) {
		t.Errorf("the first page: %s\n%s", res.Status, body)
	}
	res, _ := f.logIn(t, " "+strings.ToLower(strings.ReplaceAll(f.code, "-", " "))+" ")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "setup" {
		t.Fatalf("the code: %s to %q, want 303 to the form", res.Status, res.Header.Get("Location"))
	}
	var session *http.Cookie
	for _, c := range res.Cookies() {
		if c.Name == "popferry_session" {
			session = c
		}
	}
	if session == nil || !session.HttpOnly || session.SameSite != http.SameSiteStrictMode {
		t.Fatalf("the session's cookie is %+v, want HttpOnly and SameSite=Strict", session)
	}
	r := ask(t, f.addr, "/setup", url.Values{"address": {"leo@isp.test"}})
	r.AddCookie(session)
	if res, _ := send(t, r); res.StatusCode != http.StatusSeeOther || f.boxes.all() != "add leo@isp.test" {
		t.Errorf("the form: %s, done: %s", res.Status, f.boxes.all())
	}
	if res, body := f.logIn(t, f.code); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "has been used") {
		t.Errorf("the code again: %s, want 403 with the reason\n%s", res.Status, body)
	}
	for _, part := range append(strings.Split(f.code, "-"), session.Value) {
		if strings.Contains(f.log.String(), part) {
			t.Errorf("the log has a part of the code or the session:\n%s", f.log)
		}
	}
	f.now = f.now.Add(31 * time.Minute)
	r = ask(t, f.addr, "/talk", url.Values{"stop": {"1"}})
	r.AddCookie(session)
	if res, _ := send(t, r); res.StatusCode != http.StatusGone {
		t.Errorf("31 minutes later: %s, want 410", res.Status)
	}
}

// A code cannot be guessed: after a few guesses there is a wait.
func TestGuessedCode(t *testing.T) {
	t.Parallel()
	f := newFirstSetup(t, nil)
	var answers []int
	for i := range 8 {
		res, _ := f.logIn(t, fmt.Sprintf("AAAA-AAAA-AAA%c", 'A'+i))
		answers = append(answers, res.StatusCode)
	}
	if got, want := fmt.Sprint(answers), "[403 403 403 429 429 429 429 429]"; got != want {
		t.Errorf("eight guesses: %s, want %s", got, want)
	}
	if res, body := f.logIn(t, f.code); res.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "Too many wrong codes") {
		t.Errorf("the code among guesses: %s, want 429 with the reason\n%s", res.Status, body)
	}
	if n := strings.Count(f.log.String(), "wrong code for setting up"); n != 3 {
		t.Errorf("the log has %d wrong codes, want 3:\n%s", n, f.log)
	}
	f.now = f.now.Add(time.Minute)
	if res, _ := f.logIn(t, f.code); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the code after the wait: %s, want 303", res.Status)
	}
}

// Neither other machines nor other sites get as far as the code.
func TestCodeFromElsewhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil   func(*http.Request)
		network bool
		code    int
	}{
		"a foreign name":         {func(r *http.Request) { r.Host = "evil.example" }, false, 421},
		"a form of another site": {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, false, 403},
		"behind a web server":    {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100.1") }, false, 403},
		"by the network":         {func(*http.Request) {}, true, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wrap func(net.Listener) net.Listener
			if tt.network {
				wrap = func(l net.Listener) net.Listener { return elsewhere{l} }
			}
			f := newFirstSetup(t, wrap)
			r := ask(t, f.addr, "/login", url.Values{"code": {f.code}})
			tt.spoil(r)
			if res, body := send(t, r); res.StatusCode != tt.code || len(res.Cookies()) > 0 {
				t.Errorf("%s with %d cookies, want %d with none\n%s", res.Status, len(res.Cookies()), tt.code, body)
			}
		})
	}
}
