package testworld

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Visitor is a user at a browser without JavaScript, who follows redirects and keeps
// cookies.
type Visitor struct {
	tb     testing.TB
	base   string
	client *http.Client
}

// Page is what a visitor sees.
type Page struct {
	Code int
	Path string
	Body string // entities are replaced by what they mean
	HTML string
}

// NewVisitor returns a visitor of the pages below an address such as
// http://127.0.0.1:8110.
func NewVisitor(tb testing.TB, base string) *Visitor {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	return &Visitor{tb, base, &http.Client{Jar: jar, Transport: transport}}
}

// Base is the address of the pages.
func (v *Visitor) Base() string { return v.base }

// Get loads a page. The code is 0 if nothing answers.
func (v *Visitor) Get(path string) Page {
	v.tb.Helper()
	return v.Send(v.Request(http.MethodGet, path, nil))
}

// Post sends a form.
func (v *Visitor) Post(path string, form url.Values) Page {
	v.tb.Helper()
	return v.Send(v.Request(http.MethodPost, path, form))
}

// Request returns a request as the browser sends it.
func (v *Visitor) Request(method, path string, form url.Values) *http.Request {
	v.tb.Helper()
	r, err := http.NewRequestWithContext(v.tb.Context(), method, v.base+"/"+strings.TrimPrefix(path, "/"), strings.NewReader(form.Encode()))
	if err != nil {
		v.tb.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", v.base)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// Send sends a request.
func (v *Visitor) Send(r *http.Request) Page {
	v.tb.Helper()
	res, err := v.client.Do(r)
	if err != nil {
		return Page{Body: err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.tb.Fatal(err)
	}
	return Page{res.StatusCode, res.Request.URL.Path, html.UnescapeString(string(body)), string(body)}
}

// LogIn logs in with the page's password.
func (v *Visitor) LogIn(password string) {
	v.tb.Helper()
	if p := v.Post("login", url.Values{"password": {password}}); p.Code != http.StatusOK || p.Path != "/" {
		v.tb.Fatalf("logging in: %d at %s\n%s", p.Code, p.Path, p.Body)
	}
}

var (
	questionID   = regexp.MustCompile(`name="question" value="([^"]+)"`)
	questionText = regexp.MustCompile(`(?s)<(?:label for="answer"|legend)>(.*?)</`)
)

// Question returns the ID and the text of what a page asks; "": it asks nothing.
func (p Page) Question() (id, text string) {
	if m := questionID.FindStringSubmatch(p.HTML); m != nil {
		id = m[1]
	}
	if m := questionText.FindStringSubmatch(p.Body); m != nil {
		text = m[1]
	}
	return id, text
}

// Asked waits until the talk asks something.
func (v *Visitor) Asked() (p Page) {
	v.tb.Helper()
	WaitFor(v.tb, "question", func() bool {
		p = v.Get("talk")
		id, _ := p.Question()
		return id != "" || strings.Contains(p.Body, "Go to the status page")
	})
	return p
}

// Answers answers the questions of a talk, and returns the last page.
func (v *Visitor) Answers(replies ...Reply) (p Page) {
	v.tb.Helper()
	for _, r := range replies {
		p = v.Asked()
		id, text := p.Question()
		if !strings.Contains(text, r.Question) {
			v.tb.Fatalf("asked %q, want %q:\n%s", text, r.Question, p.Body)
		}
		p = v.Post("talk", url.Values{"question": {id}, "answer": {r.Answer}})
	}
	return p
}
