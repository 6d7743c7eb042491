package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/talk"
)

// nextQuestion bounds how long the answer to a form waits for the next question.
const nextQuestion = 2 * time.Second

// setupPages are the pages on which mailboxes are set up and changed. There is one
// talk at a time, which every browser that is logged in can go on with.
type setupPages struct {
	mailboxes Mailboxes
	templates templates
	frame     frame // what all of them have
	log       *slog.Logger
	// guard reports whether a request may have these pages, and else answers it.
	guard func(http.ResponseWriter, *http.Request) bool
	// done is called when a page has shown the end of a talk that went well.
	done func()

	mu      sync.Mutex
	current *talk.Talk // nil: there was none yet
}

// errBusy: somebody sets up a mailbox.
var errBusy = errors.New("something is being set up already, in this browser or another one; go on with it or stop it first")

func (h *Handler) newSetupPages() *setupPages {
	return &setupPages{mailboxes: h.Mailboxes, templates: h.templates, frame: frame{Health: grey, Version: h.Version}, log: h.Log, guard: h.setupGuard, done: func() {}}
}

func (p *setupPages) register(mux *http.ServeMux) {
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /setup": p.form, "POST /setup": p.add,
		"GET /talk": p.talk, "POST /talk": p.answer,
		"GET /mailbox": p.mailbox, "POST /mailbox": p.change,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if p.guard(w, r) {
				serve(w, r)
			}
		})
	}
}

// notPrivate says where the pages with passwords can be used.
const notPrivate = "Mailboxes are set up only where nobody can listen in: on this machine (an SSH tunnel will do), or over TLS of popferry's own, with listen_tls_cert_file. " +
	"A web server in front of the page does not count."

// setupGuard admits those who have logged in by the form, over a private way. A
// password by HTTP Basic does not do: browsers send it along with other sites' forms.
func (h *Handler) setupGuard(w http.ResponseWriter, r *http.Request) bool {
	if !private(r) {
		h.page(w, r, h.visitor(r), http.StatusForbidden, notPrivate)
		return false
	}
	if password, v := h.auth.configured(r); !v.enabled || !h.auth.hasSession(r, password) {
		code, words := refusal(w, v)
		h.loginPage(w, code, words)
		return false
	}
	return true
}

// form writes the form for a new mailbox.
func (p *setupPages) form(w http.ResponseWriter, _ *http.Request) {
	p.showForm(w, http.StatusOK, NewMailbox{}, "")
}

func (p *setupPages) showForm(w http.ResponseWriter, code int, given NewMailbox, problem string) {
	v := &setupView{frame: p.frame, Given: given, Busy: p.busy()}
	v.Title = "Add a mailbox · popferry"
	var err error
	if v.Offer, err = p.mailboxes.Offer(); err != nil {
		v.Closed, problem = true, sentence(err)
	}
	v.Problem = problem
	p.templates.render(w, "setup", code, v)
}

// add takes the form for a new mailbox.
func (p *setupPages) add(w http.ResponseWriter, r *http.Request) {
	given := NewMailbox{
		Address: r.PostFormValue("address"), To: r.PostFormValue("to"), Forward: r.PostFormValue("forward"),
		Protocol: r.PostFormValue("protocol"), Server: r.PostFormValue("server"),
	}
	err := p.begin(func() (*talk.Talk, error) { return p.mailboxes.Add(given) })
	if err != nil {
		p.showForm(w, http.StatusConflict, given, sentence(err))
		return
	}
	p.log.Info("a mailbox is being set up on the page", "from", r.RemoteAddr)
	p.toTalk(w, r)
}

// begin makes a talk the current one. There must be no other.
func (p *setupPages) begin(start func() (*talk.Talk, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && !p.current.State().Ended {
		return errBusy
	}
	t, err := start()
	if t != nil {
		p.current = t
	}
	return err
}

// present returns the current talk; nil: there was none yet.
func (p *setupPages) present() *talk.Talk {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *setupPages) busy() bool {
	t := p.present()
	return t != nil && !t.State().Ended
}

// toTalk sends the browser to the talk, once it asks something.
func (p *setupPages) toTalk(w http.ResponseWriter, r *http.Request) {
	if t := p.present(); t != nil {
		ctx, cancel := context.WithTimeout(r.Context(), nextQuestion)
		defer cancel()
		t.Await(ctx)
	}
	seeOther(w, "talk")
}

// talk writes the talk as it is now.
func (p *setupPages) talk(w http.ResponseWriter, _ *http.Request) {
	p.showTalk(w, http.StatusOK, "")
}

func (p *setupPages) showTalk(w http.ResponseWriter, code int, problem string) {
	t := p.present()
	if t == nil {
		seeOther(w, "setup")
		return
	}
	v := newTalkView(p.frame, t.State(), problem)
	p.templates.render(w, "talk", code, v)
	if v.Ended && v.Problem == "" {
		p.done()
	}
}

// answer takes an answer, or ends the talk.
func (p *setupPages) answer(w http.ResponseWriter, r *http.Request) {
	t := p.present()
	switch {
	case t == nil:
	case r.PostFormValue("stop") != "":
		t.Stop()
	default:
		if err := t.Answer(r.PostFormValue("question"), r.PostFormValue("answer")); err != nil {
			p.showTalk(w, http.StatusConflict, sentence(err))
			return
		}
	}
	p.toTalk(w, r)
}

// mailbox writes the page of one mailbox.
func (p *setupPages) mailbox(w http.ResponseWriter, r *http.Request) {
	p.showMailbox(w, http.StatusOK, r.URL.Query().Get("account"), "")
}

func (p *setupPages) showMailbox(w http.ResponseWriter, code int, name, problem string) {
	v := &mailboxView{frame: p.frame}
	var err error
	if v.Mailbox, err = p.mailboxes.Mailbox(name); err != nil {
		p.log.Info("a mailbox cannot be changed on the page", "account", name, "error", err)
		code, problem, v.Closed = http.StatusConflict, sentence(err), true
		v.Mailbox.Name = name
	}
	v.Title, v.Problem = v.Mailbox.Name+" · popferry", problem
	p.templates.render(w, "mailbox", code, v)
}

// change takes a button of the page of a mailbox.
func (p *setupPages) change(w http.ResponseWriter, r *http.Request) {
	name, change := r.PostFormValue("account"), Change(r.PostFormValue("change"))
	var started *talk.Talk
	err := p.begin(func() (_ *talk.Talk, err error) {
		started, err = p.mailboxes.Change(name, change, r.PostFormValue("revision"))
		return started, err
	})
	if err != nil {
		p.log.Warn("a mailbox was not changed on the page", "account", name, "change", string(change), "error", err)
		p.showMailbox(w, http.StatusConflict, name, sentence(err))
		return
	}
	p.log.Info("a mailbox is changed on the page", "account", name, "change", string(change), "from", r.RemoteAddr)
	if started != nil {
		p.toTalk(w, r)
		return
	}
	seeOther(w, "mailbox?account="+url.QueryEscape(name))
}
