package report

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

// rowsLife and daysLife are how long cached reads of the ledger stay valid.
// Anyone who reaches the page can request it as often as they like.
const (
	rowsLife = time.Second
	daysLife = 10 * time.Second
)

// LedgerView is the ledger as the status page and the metrics read it: cached
// for a moment, and limited to the configured accounts. It implements
// web.Ledger.
type LedgerView struct {
	// Progress returns how far the running poll of an account is, in words; nil: none
	// is shown.
	Progress func(account string) string

	store  ledger.Store
	cfg    atomic.Pointer[config.Config]
	rows   cached[Rows]
	days   cached[[]ledger.Day]
	copies cached[copies.Found]
	signIn cached[[]app.SignIn]
	well   func() error
	whole  whole
}

// NewLedgerView returns a view of a ledger that shows no accounts until
// Configure.
func NewLedgerView(store ledger.Store) *LedgerView { return &LedgerView{store: store} }

// Configure sets the configuration whose accounts are shown.
func (v *LedgerView) Configure(cfg *config.Config) { v.cfg.Store(cfg) }

// Forget drops cached rows, after a change that the next page has to show.
func (v *LedgerView) Forget() { v.rows.forget() }

// Ready implements web.Ledger.
func (v *LedgerView) Ready(ctx context.Context) error {
	if v.well != nil {
		if err := v.well(); err != nil {
			return err
		}
	}
	return v.store.Ping(ctx)
}

// Require has Ready ask this, too.
func (v *LedgerView) Require(well func() error) { v.well = well }

// Timeline implements web.Ledger.
func (v *LedgerView) Timeline() (number int64, failovers int, ok bool) {
	if shared, is := v.store.(interface{ Timeline() (int64, int) }); is {
		number, failovers = shared.Timeline()
		return number, failovers, true
	}
	return 0, 0, false
}

// Accounts implements web.Ledger.
func (v *LedgerView) Accounts(ctx context.Context) ([]web.Account, error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	var list []web.Account
	now := ledger.Now(v.store)
	for _, c := range v.configured() {
		a := r.account(c)
		progress := ""
		if v.Progress != nil {
			progress = v.Progress(c.Name)
		}
		list = append(list, web.Account{
			Progress: progress,
			ID:       a.ID, Name: c.Name, Enabled: c.Enabled,
			Source: c.Username + " at " + c.Host, Forward: c.Forward, Endpoint: c.Endpoint,
			LastPoll: a.LastPoll, LastSuccess: a.LastSuccess, NextPoll: nextPoll(c, a, true, now), NotBefore: a.NotBefore,
			Failures: a.Failures, Cause: a.Cause, OnServer: a.OnServer, Counts: r.counts[a.ID],
			TokenEnds: c.Secret.Ends(),
		})
	}
	return list, nil
}

// Destinations implements web.Ledger.
func (v *LedgerView) Destinations(ctx context.Context) (list []web.Destination, _ error) {
	cfg := v.cfg.Load()
	if cfg == nil {
		return nil, nil
	}
	r, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range cfg.Forward {
		route := r.destination(d)
		list = append(list, web.Destination{Name: d.Name, Endpoint: d.Endpoint(), TokenEnds: d.Secret.Ends(), NotBefore: route.NotBefore, Cause: route.Cause})
	}
	return list, nil
}

// SignIns implements web.Ledger.
func (v *LedgerView) SignIns(ctx context.Context) (list []web.SignIn, err error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	all, err := v.signIns(ctx)
	if err != nil {
		return nil, err
	}
	now := ledger.Now(v.store)
	for _, s := range signInNews(all, Status(v.configured(), r, true, now), now) {
		shown := web.SignIn{Name: s.Name, User: s.User, Until: s.Until}
		if s.Err != nil {
			shown.Cause = ledger.Cause{Code: cause.Of(s.Err).Code, Text: cause.Summary(s.Err)}
		}
		list = append(list, shown)
	}
	return list, nil
}

// signIns are those of the present configuration.
func (v *LedgerView) signIns(ctx context.Context) ([]app.SignIn, error) {
	return v.signIn.get(rowsLife, func() ([]app.SignIn, error) {
		cfg := v.cfg.Load()
		if cfg == nil {
			return nil, nil
		}
		return app.LookSignIns(ctx, v.store, cfg)
	})
}

// Days implements web.Ledger.
func (v *LedgerView) Days(ctx context.Context, since time.Time) ([]ledger.Day, error) {
	return v.days.get(daysLife, func() ([]ledger.Day, error) { return v.store.Days(ctx, since) })
}

// errEnough ends the reading of messages.
var errEnough = errors.New("enough")

// Waiting implements web.Ledger.
func (v *LedgerView) Waiting(ctx context.Context, most int) (list []web.Message, all int, err error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range []ledger.State{ledger.Held, ledger.Unknown, ledger.Deferred} {
		for _, c := range v.configured() {
			n := r.counts[r.accounts[c.Name].ID][s]
			all += n
			if n == 0 || len(list) >= most { // of ten thousand accounts few have any
				continue
			}
			err := v.store.Messages(ctx, ledger.Filter{Account: c.Name, State: s}, func(account string, m *ledger.Record) error {
				if len(list) >= most {
					return errEnough
				}
				list = append(list, web.Message{Account: account, Record: m})
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) {
				return nil, 0, err
			}
		}
	}
	return list, all, nil
}

// Status returns the document of popferry status --json. Without private it has
// the catalogue's words instead of what servers said, and no paths.
func (v *LedgerView) Status(ctx context.Context, private bool) (any, error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	found, err := v.copies.get(rowsLife, func() (copies.Found, error) {
		cfg := v.cfg.Load()
		if cfg == nil {
			return copies.Found{}, nil
		}
		return copies.Look(ctx, v.store, cfg)
	})
	if err != nil {
		return nil, err
	}
	list := Status(v.configured(), r, true, ledger.Now(v.store))
	signIns, err := v.signIns(ctx)
	if err != nil {
		return nil, err
	}
	shown := SignIns(signIns)
	if !private {
		list, found = public(list, found)
		shown = publicSignIns(shown)
	}
	replicas, err := Replicas(ctx, v.store)
	if err != nil {
		return nil, err
	}
	if !private {
		for i := range replicas {
			replicas[i].Problem = "" // it names servers
		}
	}
	return StatusDocument(Process{Running: true}, list, found, shown, replicas), nil
}

func (v *LedgerView) read(ctx context.Context) (Rows, error) {
	return v.rows.get(rowsLife, func() (Rows, error) { return ReadRows(ctx, v.store) })
}

// configured returns the accounts of the present configuration.
func (v *LedgerView) configured() []config.Account {
	if cfg := v.cfg.Load(); cfg != nil {
		return cfg.Accounts
	}
	return nil
}

// cached is a value that was read a moment ago. While one caller reads, the
// others wait for its result.
type cached[T any] struct {
	mu    sync.Mutex
	value T
	until time.Time
}

func (c *cached[T]) get(life time.Duration, read func() (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.value, nil
	}
	v, err := read()
	if err == nil {
		c.value, c.until = v, time.Now().Add(life)
	}
	return v, err
}

func (c *cached[T]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}
