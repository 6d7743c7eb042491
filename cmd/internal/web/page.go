package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

//go:embed page
var files embed.FS

const (
	// pageAccounts and pageMessages are how many of each a page has.
	pageAccounts = 100
	pageMessages = 50
	// refreshAfter and refreshSoon are when a page looks again by itself, in
	// seconds: as a rule, and after a poll was asked for.
	refreshAfter = 60
	refreshSoon  = 4
)

// templates are the pages.
type templates struct{ status, login *template.Template }

func newTemplates() templates {
	parse := func(name string) *template.Template {
		return template.Must(template.ParseFS(files, "page/frame.html", "page/"+name))
	}
	return templates{status: parse("status.html"), login: parse("login.html")}
}

// frame is what all pages have.
type frame struct {
	Title   string
	Light   light
	Refresh int // seconds; 0: never
	Version string
	Problem string // in red
}

// statusView is the status page.
type statusView struct {
	frame
	Sentence string
	Said     string
	Now      moment
	// LoggedIn shows the buttons, CanLogIn the way to them.
	LoggedIn, CanLogIn bool
	Accounts           []accountView
	Earlier, Later     string // links to more accounts, "" for none
	Waiting            []messageView
	WaitingAll         int
}

// show is the status page for whoever opens it.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) { h.page(w, r, http.StatusOK, "") }

// page is the status page, with what went wrong where a button was pressed.
func (h *Handler) page(w http.ResponseWriter, r *http.Request, code int, problem string) {
	v, err := h.read(r)
	if err != nil {
		h.Log.Error("the status page cannot be shown", "error", err)
		v = &statusView{frame: frame{Light: red}, Sentence: "The ledger cannot be read"}
		code, problem = http.StatusInternalServerError, "popferry's ledger does not answer. The log tells why."
	}
	v.Title, v.Version, v.Now = v.Sentence+" · popferry", h.Version, newMoment(h.Now(), h.Now())
	if v.Problem = problem; problem == "" {
		q := r.URL.Query()
		v.Said = done()[q.Get("did")]
		switch {
		case v.Said != "":
			v.Refresh = refreshSoon
		case !q.Has("from"): // who looks at later accounts stays there
			v.Refresh = refreshAfter
		}
	}
	h.render(w, h.templates.status, code, v)
}

// read collects what the page shows.
func (h *Handler) read(r *http.Request) (*statusView, error) {
	ctx, now := r.Context(), h.Now()
	v := &statusView{}
	password, err := h.Password(ctx)
	if err != nil {
		h.Log.Error("the password of the status page cannot be read", "error", err)
	}
	v.CanLogIn = password != ""
	v.LoggedIn, _ = h.gate.admits(r) // the same error
	accounts, err := h.Ledger.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	v.Light, v.Sentence = sentence(accounts)
	accounts = v.portion(accounts, r.URL.Query().Get("from"))
	days, err := h.Ledger.Days(ctx, now.UTC().AddDate(0, 0, 1-chartDays))
	if err != nil {
		return nil, err
	}
	byAccount := make(map[int64][]ledger.Day)
	for _, d := range days {
		byAccount[d.Account] = append(byAccount[d.Account], d)
	}
	for _, a := range accounts {
		v.Accounts = append(v.Accounts, newAccountView(a, newChart(byAccount[a.ID], now), now))
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

// portion is the accounts of one page, those that need somebody first.
func (v *statusView) portion(accounts []Account, from string) []Account {
	accounts = slices.Clone(accounts)
	slices.SortStableFunc(accounts, func(a, b Account) int {
		la, _ := lightOf(a)
		lb, _ := lightOf(b)
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

// loginPage asks for the password.
func (h *Handler) loginPage(w http.ResponseWriter, code int, problem string) {
	h.render(w, h.templates.login, code, &statusView{frame: frame{Title: "Log in · popferry", Light: grey, Version: h.Version, Problem: problem}})
}

// render writes a page, or none of it.
func (h *Handler) render(w http.ResponseWriter, t *template.Template, code int, v any) {
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "frame.html", v); err != nil {
		h.Log.Error("a page cannot be made", "error", err)
		http.Error(w, "this page cannot be made; the log tells why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(page.Bytes()) // whoever asked has gone
}

// asset serves a file of the pages.
func (h *Handler) asset(name, kind string) http.HandlerFunc {
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
