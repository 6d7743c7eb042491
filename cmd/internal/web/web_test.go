package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

// noon is the time of the tests.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fakeLedger returns its fields.
type fakeLedger struct {
	err      error
	others   bool // one of them tells of all accounts
	accounts []web.Account
	days     []ledger.Day
	waiting  []web.Message
	forward  []web.Destination
	signIns  []web.SignIn

	timeline  int64
	failovers int
}

func (f *fakeLedger) TellsAll(context.Context) bool                   { return !f.others }
func (f *fakeLedger) Ready(context.Context) error                     { return f.err }
func (f *fakeLedger) Accounts(context.Context) ([]web.Account, error) { return f.accounts, f.err }
func (f *fakeLedger) Timeline() (number int64, failovers int, ok bool) {
	return f.timeline, f.failovers, f.timeline > 0
}
func (f *fakeLedger) Days(context.Context, time.Time) ([]ledger.Day, error) {
	return f.days, f.err
}

func (f *fakeLedger) Waiting(_ context.Context, limit int) ([]web.Message, int, error) {
	return f.waiting[:min(limit, len(f.waiting))], len(f.waiting), f.err
}

func (f *fakeLedger) Destinations(context.Context) ([]web.Destination, error) {
	return f.forward, f.err
}
func (f *fakeLedger) SignIns(context.Context) ([]web.SignIn, error) { return f.signIns, f.err }

// fakeActions records its calls.
type fakeActions struct {
	done []string
	err  error
}

func (f *fakeActions) Retry(_ context.Context, account, uid string) error {
	f.done = append(f.done, "retry "+account+" "+uid)
	return f.err
}

func (f *fakeActions) Skip(_ context.Context, account, uid string) error {
	f.done = append(f.done, "skip "+account+" "+uid)
	return f.err
}

func (f *fakeActions) Poll(account string) error {
	f.done = append(f.done, "poll "+account)
	return f.err
}

// site is a Handler over fakes.
type site struct {
	*web.Handler
	ledger   *fakeLedger
	actions  *fakeActions
	boxes    *fakeMailboxes
	metrics  *web.Metrics
	log      *strings.Builder
	alive    error
	access   web.Access
	password string
	secret   error // the password cannot be used
	now      time.Time
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{ledger: &fakeLedger{}, actions: &fakeActions{}, boxes: &fakeMailboxes{}, log: &strings.Builder{}, now: noon, password: "open sesame",
		access: web.Access{Hosts: []string{"example.com"}}} // of httptest.NewRequest
	s.ledger.accounts = []web.Account{{
		ID: 1, Name: "isp", Enabled: true, LastPoll: noon.Add(-time.Minute), LastSuccess: noon.Add(-time.Hour), NextPoll: noon.Add(9 * time.Minute),
		Counts: map[ledger.State]int{ledger.Forwarded: 12, ledger.Held: 1},
	}}
	s.metrics = web.NewMetrics("1.2.3", s.ledger)
	s.Handler = web.New(web.Options{
		Ledger: s.ledger, Actions: s.actions, Mailboxes: s.boxes, Metrics: s.metrics, Version: "1.2.3",
		Alive: func() error { return s.alive },
		Status: func(_ context.Context, private bool) (any, error) {
			said := []string{}
			if private {
				said = append(said, "what the server said")
			}
			return map[string]any{"accounts": said}, s.ledger.err
		},
		Access:   func() web.Access { return s.access },
		Password: func(context.Context) (string, error) { return s.password, s.secret },
		Log:      slog.New(slog.NewTextHandler(s.log, nil)),
		Now:      func() time.Time { return s.now },
	})
	s.HurryDevices()
	return s
}

// answer is a response without its body.
type answer struct {
	Code    int
	Status  string
	Header  http.Header
	cookies []*http.Cookie
}

// do sends a request and returns the answer and its body.
func (s *site) do(r *http.Request) (answer, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Status, res.Header, res.Cookies()}, string(body)
}

func (s *site) get(path string) (answer, string) {
	return s.do(httptest.NewRequest(http.MethodGet, path, nil))
}

var errBroken = errors.New("the disk is on fire")

func TestProbes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path string
		spoil      func(*site)
		code       int
		body       string
	}{
		{"alive", "/healthz", func(*site) {}, 200, "alive\n"},
		{"dead", "/healthz", func(s *site) { s.alive = errBroken }, 503, "not alive\n"},
		{"alive whatever the ledger", "/healthz", func(s *site) { s.ledger.err = errBroken }, 200, "alive\n"},
		{"ready", "/readyz", func(*site) {}, 200, "ready\n"},
		{"not ready", "/readyz", func(s *site) { s.ledger.err = errBroken }, 503, "not ready\n"},
		{"status", "/status.json", func(*site) {}, 200, "{\n  \"accounts\": []\n}\n"},
		{"no status", "/status.json", func(s *site) { s.ledger.err = errBroken }, 500, "cannot read the ledger; see the log\n"},
		{"no metrics", "/metrics", func(s *site) { s.ledger.err = errBroken }, 500, "An error has occurred while serving metrics:\n\ncannot read the metrics; see the log\n"},
		{"unknown", "/nonsense", func(*site) {}, 404, "404 page not found\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			tt.spoil(s)
			res, body := s.get(tt.path)
			if res.Code != tt.code || body != tt.body {
				t.Errorf("got %d %q, want %d %q", res.Code, body, tt.code, tt.body)
			}
			if res.Code >= 500 && !strings.Contains(s.log.String(), errBroken.Error()) {
				t.Errorf("the log is %q, want it to have %q", s.log, errBroken)
			}
		})
	}
}
