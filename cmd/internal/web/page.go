package web

import (
	"bytes"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

//go:embed page
var files embed.FS

const (
	// A page has at most so many accounts and messages.
	pageAccounts = 100
	pageMessages = 50
	// The page reloads itself after refreshAfter seconds, or after refreshSoon
	// once a poll was requested.
	refreshAfter = 60
	refreshSoon  = 4
)

// templates are the pages, by their names.
type templates struct {
	pages map[string]*template.Template
	log   *slog.Logger
}

func newTemplates(log *slog.Logger) templates {
	t := templates{make(map[string]*template.Template), log}
	for _, name := range []string{"status", "login", "setup", "talk", "mailbox", "code"} {
		t.pages[name] = template.Must(template.ParseFS(files, "page/frame.html", "page/"+name+".html"))
	}
	return t
}

// frame is what all pages have in common.
type frame struct {
	Title   string
	Health  health
	Refresh int    // seconds; 0: never
	To      string // where a refresh leads; "": the status page
	SetUp   bool   // of run --setup, which has no status page
	Version string
	Problem string // in red
}

// statusView is the status page.
type statusView struct {
	frame
	Headline string
	Said     string // confirms an action, in green
	Now      timeView
	// LoggedIn shows the buttons, CanLogIn the way to them.
	LoggedIn, CanLogIn bool
	CanSetUp           bool // mailboxes
	Down               downViews
	Accounts           []accountView
	Earlier, Later     string // links to more accounts, "" for none
	SignIns            []signInView
	Waiting            []messageView
	WaitingAll         int
}

// show answers a request for the status page. A password that is wrong is said to
// be: whoever gave one would take the public page for all there is.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	visitor, code, problem := h.visitor(r), http.StatusOK, ""
	if visitor.refused() {
		code, problem = refusal(w, visitor)
	}
	h.page(w, r, visitor, code, problem)
}

// page writes the status page, with an error message in it if problem is not "".
func (h *Handler) page(w http.ResponseWriter, r *http.Request, visitor verdict, code int, problem string) {
	v, err := h.read(r, visitor)
	if err != nil {
		h.Log.Error("cannot show the status page", "error", err)
		v = &statusView{frame: frame{Health: red}, Headline: "The ledger cannot be read"}
		code, problem = http.StatusInternalServerError, "popferry cannot read its ledger. See the log."
	}
	v.Title, v.Version, v.Now = v.Headline+" · popferry", h.Version, newTimeView(h.Now(), h.Now())
	if v.Problem = problem; problem == "" {
		q := r.URL.Query()
		v.Said = confirmation(q.Get("did"))
		switch {
		case v.Said != "", v.polling() && !q.Has("from"):
			v.Refresh = refreshSoon
		case !q.Has("from"): // a reload would leave the later accounts
			v.Refresh = refreshAfter
		}
	}
	h.templates.render(w, "status", code, v)
}

// read collects what the page shows to a visitor.
func (h *Handler) read(r *http.Request, visitor verdict) (*statusView, error) {
	ctx, now := r.Context(), h.Now()
	// With a password that cannot be used, the attempt to log in says so.
	v := &statusView{LoggedIn: visitor.ok, CanLogIn: visitor.enabled || visitor.err != nil}
	accounts, err := h.Ledger.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	signIns, err := h.Ledger.SignIns(ctx)
	if err != nil {
		return nil, err
	}
	destinations, err := h.Ledger.Destinations(ctx)
	if err != nil {
		return nil, err
	}
	v.Down = newDownViews(destinations, accounts, v.LoggedIn)
	v.Health, v.Headline = headline(accounts, len(signIns))
	for _, s := range signIns {
		v.SignIns = append(v.SignIns, newSignInView(s, v.LoggedIn, now))
	}
	accounts = v.portion(accounts, r.URL.Query().Get("from"))
	days, err := h.Ledger.Days(ctx, now.UTC().AddDate(0, 0, 1-chartDays))
	if err != nil {
		return nil, err
	}
	byAccount := make(map[int64][]ledger.Day)
	for _, d := range days {
		byAccount[d.Account] = append(byAccount[d.Account], d)
	}
	changeable := h.changeable(r, v)
	for _, a := range accounts {
		view := newAccountView(a, newChart(byAccount[a.ID], now), v.LoggedIn, now)
		if v.Down.explains(a) {
			view.Problem = &problem{What: "Its destination, " + a.Forward + ", fails: see above"}
		}
		view.CanChange = slices.Contains(changeable, a.Name)
		v.Accounts = append(v.Accounts, view)
	}
	messages, all, err := h.Ledger.Waiting(ctx, pageMessages)
	if err != nil {
		return nil, err
	}
	v.WaitingAll = all
	for _, m := range messages {
		v.Waiting = append(v.Waiting, newMessageView(m, v.LoggedIn, now))
	}
	return v, nil
}

// changeable returns the accounts that the visitor can change, and notes whether they
// can set up more.
func (h *Handler) changeable(r *http.Request, v *statusView) []string {
	if v.CanSetUp = v.LoggedIn && h.Mailboxes != nil && private(r); !v.CanSetUp {
		return nil
	}
	return h.Mailboxes.Names()
}

// polling reports whether an account is polled now.
func (v *statusView) polling() bool {
	return slices.ContainsFunc(v.Accounts, func(a accountView) bool { return a.Progress != "" })
}

// portion returns the accounts of one page, those that need attention first.
func (v *statusView) portion(accounts []Account, from string) []Account {
	accounts = slices.Clone(accounts)
	slices.SortStableFunc(accounts, func(a, b Account) int {
		la, _ := healthOf(a)
		lb, _ := healthOf(b)
		return la.rank() - lb.rank()
	})
	start, err := strconv.Atoi(from)
	if err != nil || start < 0 || start >= len(accounts) {
		start = 0
	}
	if start > 0 {
		v.Earlier = "./?from=" + strconv.Itoa(max(0, start-pageAccounts))
	}
	end := min(len(accounts), start+pageAccounts)
	if end < len(accounts) {
		v.Later = "./?from=" + strconv.Itoa(end)
	}
	return accounts[start:end]
}

// loginPage writes the login form.
func (h *Handler) loginPage(w http.ResponseWriter, code int, problem string) {
	h.templates.render(w, "login", code, &statusView{frame: frame{Title: "Log in · popferry", Health: grey, Version: h.Version, Problem: problem}})
}

// render writes a page, whole or not at all.
func (t templates) render(w http.ResponseWriter, name string, code int, v any) {
	var page bytes.Buffer
	if err := t.pages[name].ExecuteTemplate(&page, "frame.html", v); err != nil {
		t.log.Error("cannot render a page", "page", name, "error", err)
		http.Error(w, "cannot render this page; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(page.Bytes()) // the client has hung up
}

// asset serves an embedded file.
func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, err := files.ReadFile("page/" + name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "max-age="+strconv.Itoa(int(time.Hour/time.Second)))
		_, _ = w.Write(b)
	}
}
