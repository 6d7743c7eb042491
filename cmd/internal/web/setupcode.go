package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// FirstSetup are the pages on which popferry is set up where there is no
// configuration. They are for the person who types in the code that popferry has printed.
type FirstSetup struct {
	*front
	o         FirstSetupOptions
	auth      auth
	pages     *setupPages
	templates templates

	mu   sync.Mutex
	used bool // the code
}

// FirstSetupOptions are what these pages need. All but Now are required.
type FirstSetupOptions struct {
	Mailboxes Mailboxes
	Code      string    // as NewCode returns it
	Ends      time.Time // from then on nothing is served
	Access    Access
	Done      func() // called when a page has shown that a set-up went well
	Version   string
	Log       *slog.Logger
	Now       func() time.Time
}

const (
	codeLength = 12 // characters of five bits each
	codeGroup  = 4
)

// NewCode returns a code of a few letters and digits.
func NewCode() string {
	text := rand.Text()
	var groups []string
	for at := 0; at < codeLength; at += codeGroup {
		groups = append(groups, text[at:at+codeGroup])
	}
	return strings.Join(groups, "-")
}

// plainCode is a code as it is compared, however it was typed.
func plainCode(code string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
}

// NewFirstSetup returns the pages. It does no I/O.
func NewFirstSetup(o FirstSetupOptions) *FirstSetup {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &FirstSetup{o: o, templates: newTemplates(o.Log)}
	code := func(context.Context) (string, error) { return plainCode(o.Code), nil }
	s.auth = auth{password: code, now: o.Now, sessions: make(map[digest]session)}
	s.pages = &setupPages{mailboxes: o.Mailboxes, templates: s.templates, frame: s.frame(), log: o.Log, guard: s.guard, done: o.Done}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.enter)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", asset("icon.svg", "image/svg+xml"))
	s.pages.register(mux)
	s.front = newFront(func() Access { return o.Access }, o.Log, mux)
	return s
}

func (s *FirstSetup) frame() frame { return frame{Health: grey, Version: s.o.Version, SetUp: true} }

// guard admits the browser that has sent the code.
func (s *FirstSetup) guard(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !s.open(w, r):
		return false
	case !s.auth.hasSession(r, plainCode(s.o.Code)):
		s.codePage(w, http.StatusForbidden, "Type in the code first.")
		return false
	}
	return true
}

// open reports whether there is anything here for a request, and else answers it.
func (s *FirstSetup) open(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !private(r):
		http.Error(w, notPrivate, http.StatusForbidden)
	case !s.o.Now().Before(s.o.Ends):
		http.Error(w, "The time for setting up is over. Start popferry run --setup again for a new code.", http.StatusGone)
	default:
		return true
	}
	return false
}

// enter leads to the set-up, or asks for the code.
func (s *FirstSetup) enter(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.open(w, r):
	case !s.auth.hasSession(r, plainCode(s.o.Code)):
		s.codePage(w, http.StatusOK, "")
	case s.pages.present() != nil:
		seeOther(w, "talk")
	default:
		seeOther(w, "setup")
	}
}

func (s *FirstSetup) codePage(w http.ResponseWriter, code int, problem string) {
	f := s.frame()
	f.Title, f.Problem = "Set up · popferry", problem
	s.templates.render(w, "code", code, &statusView{frame: f})
}

// errCodeUsed: another browser has the set-up.
var errCodeUsed = errors.New("the code has been used, and works once; if that was not you, stop popferry and start popferry run --setup again for a new one")

// login takes the code.
func (s *FirstSetup) login(w http.ResponseWriter, r *http.Request) {
	if !s.open(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		s.o.Log.Warn("a code for setting up was sent after it had been used", "from", r.RemoteAddr)
		s.codePage(w, http.StatusForbidden, sentence(errCodeUsed))
		return
	}
	cookies, v := s.auth.logIn(r, plainCode(r.PostFormValue("code")))
	if !v.ok {
		code, words := refusal(w, v)
		words = strings.NewReplacer("passwords", "codes", "password", "code").Replace(words)
		if v.wrong {
			s.o.Log.Warn("wrong code for setting up", "from", r.RemoteAddr)
		}
		s.codePage(w, code, words)
		return
	}
	s.used = true
	for _, c := range cookies {
		http.SetCookie(w, c)
	}
	seeOther(w, "setup")
}
