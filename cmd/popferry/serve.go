package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

const (
	// lateLimit is how long an account may be overdue to be queued. That takes
	// no time, unless the machine has slept or the scheduler is dead.
	lateLimit = time.Minute
	// farewell is how long answers may take when the page closes, or a
	// destination's to QUIT. Nothing hangs on them, and they count for the ten
	// seconds after which a container is killed.
	farewell = time.Second
)

// front is what the daemon shows of itself: the status page, metrics and
// health. It outlives the configuration, so that counters go on and a service
// that is replaced is no gap.
type front struct {
	view    *ledgerView
	metrics *web.Metrics
	log     *slog.Logger
	handler http.Handler
	wiring  wiring // for each service that it is given
	asked   wishes

	// Of the goroutine that starts and stops services.
	server *http.Server
	addr   string // as configured, of server; "": it listens nowhere
	closed sync.WaitGroup

	mu      sync.Mutex
	cfg     *config.Config
	service *service // stopped while the next one is prepared; nil before the first and where none could be started
}

func newFront(store *sqlite.Store, w wiring, log *slog.Logger) *front {
	f := &front{view: &ledgerView{store: store}, log: log, wiring: w}
	f.metrics = web.NewMetrics(buildVersion(), f.view).WithProcess()
	f.handler = web.New(web.Options{
		Ledger:   f.view,
		Actions:  &pageDesk{front: f, store: store},
		Metrics:  f.metrics,
		Alive:    f.alive,
		Status:   f.view.status,
		Password: f.password,
		Version:  buildVersion(),
		Log:      log,
	})
	return f
}

// listen prepares for a configuration: it listens where that says.
func (f *front) listen(ctx context.Context, cfg *config.Config) error {
	if f.addr != cfg.Listen {
		if err := f.move(ctx, cfg.Listen); err != nil {
			return err
		}
	}
	f.mu.Lock()
	f.cfg = cfg
	f.mu.Unlock()
	f.view.configure(cfg)
	f.metrics.Expect(namesOf(cfg))
	return nil
}

// namesOf are the names of a configuration's accounts and destinations.
func namesOf(cfg *config.Config) (accounts, forwards []string) {
	for _, a := range cfg.Accounts {
		accounts = append(accounts, a.Name)
	}
	for _, d := range cfg.Forward {
		forwards = append(forwards, d.Name)
	}
	return accounts, forwards
}

// move listens on another address, "" for none.
func (f *front) move(ctx context.Context, addr string) error {
	var l net.Listener
	if addr != "" {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
			return fmt.Errorf("listen: %w; free that address, or set listen to another one", err)
		}
	}
	f.hangUp()
	if l == nil {
		return nil
	}
	s := web.NewServer(f.handler, f.log)
	f.server, f.addr = s, addr
	f.closed.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			f.log.Error("the status page has stopped", "error", err)
		}
	})
	f.log.Info("status page and metrics", "listen", l.Addr().String())
	return nil
}

// hangUp stops listening and lets answers that are under way end.
func (f *front) hangUp() {
	if f.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
	f.server, f.addr = nil, ""
}

// show tells which service is at work; nil: none.
func (f *front) show(s *service) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.service = s
	if s != nil {
		f.asked.keep(s.app.accounts, errNotPolled)
	}
}

// ask has accounts polled, all of them if none is named, and returns how many
// they are and where the result of each comes to. A person asks: back-offs do
// not count. That holds for a service that is being replaced, too: the next one
// polls every account at its start, and knows what was asked for.
func (f *front) ask(accounts ...string) (results <-chan fetcher.Result, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.service == nil {
		return nil, 0, errNotNow
	}
	polled := f.service.app.accounts
	for _, name := range accounts {
		if _, ok := polled[name]; !ok {
			return nil, 0, fmt.Errorf("there is no account %q that is polled", name)
		}
	}
	names := accounts
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(polled))
	}
	each := make(chan fetcher.Result, len(names))
	for _, name := range names {
		f.asked.add(name, each)
	}
	f.service.sched.Queue(accounts...)
	return each, len(names), nil
}

// current is the service at work and its configuration; nil if there is none.
func (f *front) current() (*service, *config.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.service, f.cfg
}

// close ends it.
func (f *front) close() {
	f.hangUp()
	f.closed.Wait()
}

// alive tells whether accounts are polled when they are due. A service that is
// being stopped is alive: whoever watches must not kill it before it has
// finished.
func (f *front) alive() error {
	s, _ := f.current()
	if s == nil {
		return errors.New("no configuration is at work")
	}
	if s.stopped() {
		return nil
	}
	now := time.Now()
	for name := range s.app.accounts {
		if next := s.next(name); !next.IsZero() && now.Sub(next) > lateLimit {
			return fmt.Errorf("%s was due at %s, and the scheduler has not seen to it", name, terminal.Time(next))
		}
	}
	return nil
}

// password is what allows the page's buttons; "" where none is configured.
func (f *front) password(ctx context.Context) (string, error) {
	_, cfg := f.current()
	if cfg == nil || cfg.Web.Password.IsZero() {
		return "", nil
	}
	return cfg.Web.Password.Get(ctx)
}
