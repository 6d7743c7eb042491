package web_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/popferry/popferry/cmd/internal/talk"
	"github.com/popferry/popferry/cmd/internal/web"
)

// fakeMailboxes records its calls. What it begins asks for a name and a password.
type fakeMailboxes struct {
	mu   sync.Mutex
	done []string
}

func (f *fakeMailboxes) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = append(f.done, what)
}

func (f *fakeMailboxes) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.done, "; ")
}

func (f *fakeMailboxes) Offer() (web.Offer, error) { return web.Offer{First: true}, nil }

func (f *fakeMailboxes) Add(m web.NewMailbox) (*talk.Talk, error) {
	if m.Address == "" {
		return nil, errors.New("an address is needed")
	}
	f.note("add " + m.Address)
	return talk.Start(context.Background(), "Add a mailbox", func(ctx context.Context, t *talk.Talk) (string, error) {
		t.Failed("the server says: %s", "<script>alert(1)</script>")
		name, err := t.Ask(ctx, "Name", "<b>leo</b>")
		secret, err2 := t.Secret(ctx, "Password")
		f.note("got " + name + " " + secret)
		word, err3 := t.Choose(ctx, "How", "imap", "smtp")
		f.note(word)
		return "It is done.", errors.Join(err, err2, err3)
	}), nil
}

func (f *fakeMailboxes) Names() []string { return []string{"isp"} }

func (f *fakeMailboxes) Mailbox(name string) (web.Mailbox, error) {
	return web.Mailbox{Name: name, Revision: "r1", Enabled: true}, nil
}

func (f *fakeMailboxes) Change(name string, c web.Change, revision string) (*talk.Talk, error) {
	f.note(fmt.Sprint("change ", name, " ", c, " ", revision))
	return nil, nil
}

// visit is a site on the loopback address, and a browser that has logged in.
type visit struct {
	*site
	addr    string
	session *http.Cookie
}

func newVisit(t *testing.T, wrap func(net.Listener) net.Listener) *visit {
	t.Helper()
	v := &visit{site: newSite(t)}
	v.addr = serve(t, v, wrap)
	res, _ := send(t, ask(t, v.addr, "/login", url.Values{"password": {v.password}}))
	for _, c := range res.Cookies() {
		if c.Name == "popferry_session" {
			v.session = c
		}
	}
	return v
}

// ask returns a request of that browser.
func (v *visit) ask(t *testing.T, path string, form url.Values) *http.Request {
	t.Helper()
	r := ask(t, v.addr, path, form)
	r.AddCookie(v.session)
	return r
}

func (v *visit) do(t *testing.T, path string, form url.Values) (response, string) {
	t.Helper()
	return send(t, v.ask(t, path, form))
}

// The pages with passwords are for those who have logged in by the form, on a way on
// which nobody else can read, and for forms of their own.
func TestSetupPagesAreGuarded(t *testing.T) {
	t.Parallel()
	without := func(v *visit, r *http.Request) { r.Header.Del("Cookie") }
	field := func(name, value string) func(*visit, *http.Request) {
		return func(_ *visit, r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tt := range map[string]struct {
		spoil    func(*visit, *http.Request)
		network  bool
		code     int
		onlyPost bool
		says     string
	}{
		"not logged in": {spoil: without, code: 403, says: "Please log in first."},
		"password by Basic": {spoil: func(v *visit, r *http.Request) {
			without(v, r)
			r.SetBasicAuth("", v.password)
		}, code: 403, says: "Please log in first."},
		"another's cookie":               {spoil: field("Cookie", "popferry_session=AAAA"), code: 403, says: "Please log in first."},
		"a foreign name":                 {spoil: func(_ *visit, r *http.Request) { r.Host = "evil.example" }, code: 421, says: "does not answer"},
		"a form of another site":         {spoil: field("Origin", "https://evil.example"), code: 403, onlyPost: true},
		"the same, by newer browsers":    {spoil: field("Sec-Fetch-Site", "cross-site"), code: 403, onlyPost: true},
		"another port":                   {spoil: field("Origin", "http://127.0.0.1:1"), code: 403, onlyPost: true},
		"a sandboxed frame":              {spoil: field("Origin", "null"), code: 403, onlyPost: true},
		"by the network":                 {spoil: func(*visit, *http.Request) {}, network: true, code: 403, says: "listen_tls_cert_file"},
		"behind a web server":            {spoil: field("X-Forwarded-For", "198.51.100.1"), code: 403, says: "listen_tls_cert_file"},
		"behind one with other fields":   {spoil: field("Forwarded", "for=198.51.100.1"), code: 403, says: "listen_tls_cert_file"},
		"behind one that says it is TLS": {spoil: field("X-Forwarded-Proto", "https"), code: 403, says: "listen_tls_cert_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wrap func(net.Listener) net.Listener
			if tt.network {
				wrap = func(l net.Listener) net.Listener { return elsewhere{l} }
			}
			v := newVisit(t, wrap)
			for _, page := range []struct {
				path string
				form url.Values
			}{
				{"/setup", nil}, {"/talk", nil}, {"/mailbox?account=isp", nil},
				{"/setup", url.Values{"address": {"leo@isp.test"}}}, {"/talk", url.Values{"stop": {"1"}}}, {"/mailbox", url.Values{"account": {"isp"}, "change": {"remove"}}},
			} {
				if tt.onlyPost && page.form == nil {
					continue
				}
				r := v.ask(t, page.path, page.form)
				tt.spoil(v, r)
				if res, body := send(t, r); res.StatusCode != tt.code || !strings.Contains(body, tt.says) {
					t.Errorf("%s %s: %s, want %d with %q:\n%s", r.Method, page.path, res.Status, tt.code, tt.says, body)
				}
			}
			if got := v.boxes.all(); got != "" {
				t.Errorf("done: %s; want nothing", got)
			}
		})
	}
}

// A talk goes from page to page. What is secret is on none of them, and what servers
// say is text.
func TestTalkOnThePage(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	if res, body := v.do(t, "/setup", nil); res.StatusCode != http.StatusOK || !strings.Contains(body, `<label for="address">`) {
		t.Fatalf("the form: %s\n%s", res.Status, body)
	}
	if res, body := v.do(t, "/setup", url.Values{"to": {"\"><script>"}}); res.StatusCode != http.StatusConflict || !strings.Contains(body, "An address is needed.") || strings.Contains(body, "<script>") {
		t.Errorf("no address: %s\n%s", res.Status, body)
	}
	start := func() response {
		res, _ := v.do(t, "/setup", url.Values{"address": {"leo@isp.test"}})
		return res
	}
	if res := start(); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "talk" {
		t.Fatalf("%s to %q, want 303 to the talk", res.Status, res.Header.Get("Location"))
	}
	if res := start(); res.StatusCode != http.StatusConflict {
		t.Errorf("another set-up at the same time: %s, want 409", res.Status)
	}
	question := func() (id, body string) {
		_, body = v.do(t, "/talk", nil)
		_, id, _ = strings.Cut(body, `name="question" value="`)
		id, _, _ = strings.Cut(id, `"`)
		return id, body
	}
	answer := func(id, text string) int {
		res, _ := v.do(t, "/talk", url.Values{"question": {id}, "answer": {text}})
		return res.StatusCode
	}
	id, body := question()
	if strings.Contains(body, "<script>") || strings.Contains(body, "<b>leo") || !strings.Contains(body, "&lt;script&gt;") || strings.Contains(body, "http-equiv") {
		t.Errorf("the page has the server's tags, or reloads while something is asked:\n%s", body)
	}
	if code := answer(id, "a\r\nb"); code != 409 {
		t.Errorf("an answer of two lines: %d, want 409", code)
	}
	if code := answer(id, "leo"); code != 303 {
		t.Errorf("an answer: %d, want 303", code)
	}
	if code := answer(id, "zoe"); code != 409 {
		t.Errorf("the same question from another browser: %d, want 409", code)
	}
	id, body = question()
	if !strings.Contains(body, `type="password" value=""`) {
		t.Errorf("a password is not asked for as such:\n%s", body)
	}
	answer(id, "s3cr3t-&-more")
	if id, body = question(); strings.Contains(body, "s3cr3t") {
		t.Errorf("the password is on a page:\n%s", body)
	}
	answer(id, "smtp")
	if _, body = question(); !strings.Contains(body, "It is done.") {
		t.Errorf("the end:\n%s", body)
	}
	if got, want := v.boxes.all(), "add leo@isp.test; got leo s3cr3t-&-more; smtp"; got != want {
		t.Errorf("done: %s; want %s", got, want)
	}
	start()
	if res, _ := v.do(t, "/talk", url.Values{"stop": {"1"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("stopping: %s, want 303", res.Status)
	}
	if _, body := question(); !strings.Contains(body, "Nothing was changed") {
		t.Errorf("after it was stopped:\n%s", body)
	}
	if log := v.log.String(); strings.Contains(log, "s3cr3t") || strings.Contains(log, v.password) {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

// A login ends, also on a page that was left open.
func TestPageLeftOpen(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	change := url.Values{"account": {"isp"}, "change": {"pause"}, "revision": {"r1"}}
	if res, _ := v.do(t, "/mailbox", change); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a button: %s, want 303", res.Status)
	}
	v.password = "another password"
	if res, _ := v.do(t, "/mailbox", change); res.StatusCode != http.StatusForbidden {
		t.Errorf("after the password was changed: %s, want 403", res.Status)
	}
	if got, want := v.boxes.all(), "change isp pause r1"; got != want {
		t.Errorf("done: %s; want %s", got, want)
	}
}

// The status page leads only those to these pages who can use them.
func TestWaysToTheSetupPages(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	ways := func(body string) string {
		return fmt.Sprint(strings.Contains(body, `href="setup"`), strings.Contains(body, `href="mailbox?account=isp"`))
	}
	if _, body := v.do(t, "/", nil); ways(body) != "true true" {
		t.Errorf("logged in: %s, want both ways:\n%s", ways(body), body)
	}
	if _, body := send(t, ask(t, v.addr, "/", nil)); ways(body) != "false false" {
		t.Errorf("not logged in: %s, want none", ways(body))
	}
	r := v.ask(t, "/", nil)
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	if _, body := send(t, r); ways(body) != "false false" {
		t.Errorf("behind a web server: %s, want none", ways(body))
	}
	v.ledger.accounts[0].Progress = "3 of 12 messages"
	if _, body := v.do(t, "/", nil); !strings.Contains(body, "Polling: 3 of 12 messages") || !strings.Contains(body, `content="4;url=./"`) {
		t.Errorf("want the progress of a poll, and soon again:\n%s", body)
	}
}
