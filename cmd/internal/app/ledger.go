package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/trust"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	pgserver "github.com/popferry/popferry/fetcher/ledger/postgres/server"
	"github.com/popferry/popferry/fetcher/ledger/seal"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// OpenLedger opens the configuration's ledger, if nobody else can have written it.
// The configuration's access tokens come from it from now on.
func OpenLedger(ctx context.Context, cfg *config.Config) (ledger.Store, error) {
	return openLedger(ctx, cfg, false)
}

// reopenAfter is how long AwaitLedger waits between two tries.
const reopenAfter = 2 * time.Second

// AwaitLedger is OpenLedger for a daemon: a database that cannot be used for a reason
// that can pass (ledger.ErrUnavailable) is waited for until ctx ends or stopping is
// closed, as it is when it goes away later. Then it returns nil without an error. A
// login that is refused is an error: at the start it is most likely a wrong password.
func AwaitLedger(ctx context.Context, stopping <-chan struct{}, cfg *config.Config, log *slog.Logger) (ledger.Store, error) {
	for tries := 0; ; tries++ {
		store, err := OpenLedger(ctx, cfg)
		if cfg.Shared == nil || !errors.Is(err, ledger.ErrUnavailable) || isDenied(err) {
			if err == nil && tries > 0 {
				log.Info("the database is there")
			}
			return store, err
		}
		if tries == 0 {
			log.Error("waiting for the database", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-stopping:
			return nil, nil
		case <-time.After(reopenAfter):
		}
	}
}

func isDenied(err error) bool {
	failure, ok := errors.AsType[*pgserver.Error](err)
	return ok && failure.Kind == pgserver.Denied
}

// openLedger is OpenLedger; look is for commands that only look.
func openLedger(ctx context.Context, cfg *config.Config, look bool) (ledger.Store, error) {
	store, err := openStore(ctx, cfg, look)
	if _, ok := errors.AsType[*ConfigError](err); ok {
		return nil, err
	}
	if err == nil {
		useTokens(cfg, store, new(oauth.Tokens))
		return store, nil
	}
	explained := cause.Explain("state", err)
	_, moved := errors.AsType[*ledger.MovedError](err)
	is := func(target error) bool { return errors.Is(err, target) }
	if moved || slices.ContainsFunc([]error{ledger.ErrMissing, ledger.ErrLogLeft, ledger.ErrEmpty, ledger.ErrNetworkFS}, is) {
		return nil, &ConfigError{Err: explained}
	}
	return nil, explained
}

// ReadLedger opens the ledger without creating it. It returns nil if there is no
// ledger yet, and that is not an error by the configuration.
func ReadLedger(ctx context.Context, cfg *config.Config) (ledger.Store, error) {
	return existing(ctx, cfg, true)
}

// EditLedger is ReadLedger for a command that changes it: older tables are brought up to
// date.
func EditLedger(ctx context.Context, cfg *config.Config) (ledger.Store, error) {
	return existing(ctx, cfg, false)
}

func existing(ctx context.Context, cfg *config.Config, look bool) (ledger.Store, error) {
	existing := *cfg
	existing.StateCreate = false
	store, err := openLedger(ctx, &existing, look)
	if errors.Is(err, ledger.ErrMissing) && cfg.StateCreate {
		return nil, nil
	}
	return store, err
}

// openStore opens the file or the database.
func openStore(ctx context.Context, cfg *config.Config, look bool) (ledger.Store, error) {
	if cfg.Shared == nil {
		if err := trust.Current().Ledger(cfg.State); err != nil {
			return nil, &ConfigError{Err: fmt.Errorf("state: %w", err)}
		}
		store, err := sqlite.Open(ctx, cfg.State, sqlite.Options{Create: cfg.StateCreate, Look: look})
		if err != nil {
			return nil, err
		}
		return store, nil
	}
	o := postgres.Options{Create: cfg.StateCreate, Look: look}
	if !cfg.Shared.Password.IsZero() {
		o.Password = cfg.Shared.Password.Get
	}
	if cfg.Shared.TokenKeyFile != "" {
		keys, err := os.ReadFile(cfg.Shared.TokenKeyFile)
		if err == nil {
			o.Seal, err = seal.New(string(keys))
		}
		if err != nil {
			return nil, &ConfigError{Err: fmt.Errorf("token_key_file: %w", err)}
		}
	}
	store, err := postgres.Open(ctx, cfg.Shared.URL, o)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// CopyWarnings says, a line each, which retained copies are sent by no poll of the
// configuration. partly means that its other accounts were disabled for this run
// alone: they are no news then.
func CopyWarnings(ctx context.Context, store ledger.Store, cfg *config.Config, partly bool) (lines []string) {
	found, err := copies.Look(ctx, store, cfg)
	if err != nil {
		return []string{cause.Line("retained copies", err)}
	}
	for _, s := range found.Stranded {
		if !s.Disabled || !partly {
			lines = append(lines, cause.Line(s.Account, s))
		}
	}
	return lines
}

// Identities returns the configured accounts as the ledger knows them.
func Identities(cfg *config.Config) []ledger.Identity {
	ids := make([]ledger.Identity, len(cfg.Accounts))
	for i, c := range cfg.Accounts {
		ids[i] = Identity(c)
		ids[i].Config = cfg.AbsPath()
	}
	return ids
}

// Identity is a configured account as the ledger knows it.
func Identity(c config.Account) ledger.Identity {
	return ledger.NewIdentity(c.Name, c.Username, c.Host, c.Port).Behind(c.Route.Proxy.ID())
}

// Claim finds or creates the ledger's accounts of these identities. The error is a
// *ConfigError if a name is that of another configuration's account.
func Claim(ctx context.Context, store ledger.Store, ids []ledger.Identity) ([]ledger.Account, error) {
	rows, err := store.Claim(ctx, ids)
	var claimed *ledger.NameClaimedError
	switch {
	case errors.As(err, &claimed):
		return nil, &ConfigError{Err: claimed}
	case err != nil:
		return nil, cause.Explain("state", err)
	}
	return rows, nil
}

// Prune removes old rows from the ledger. A failure is logged only: the next
// time will do.
func Prune(ctx context.Context, store ledger.Store, log *slog.Logger) {
	n := 0
	var pruning error
	err := alone(ctx, store, "prune", func() { n, pruning = store.Prune(ctx) })
	if err = errors.Join(err, pruning); err != nil && ctx.Err() == nil {
		log.Warn("old rows could not be removed from the ledger", "error", err)
	}
	if n > 0 {
		log.Info("removed messages from the ledger that left their servers long ago", "messages", n)
	}
}
