package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/trust"
	"github.com/popferry/popferry/fetcher/printable"
)

// enabled reports whether the configuration polls all of these accounts.
func enabled(cfg *config.Config, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Name == name && a.Enabled })
	})
}

// RequestPolls asks the daemon that runs with this configuration to poll
// accounts now, or all of them if none is named. If each is not nil, it waits
// and calls each with the result of each poll. What it returns and hands over can be
// printed. The daemon has to run as the user who asks, or as one who may own the
// ledger.
func RequestPolls(ctx context.Context, cfg *config.Config, accounts []string, each func(PollResult) error) error {
	path := socketPath(cfg)
	conn, err := (&net.Dialer{Timeout: exchangeTimeout}).DialContext(ctx, "unix", path)
	if err != nil {
		return &app.TryAgainError{Err: fmt.Errorf("no running popferry was reached: %w; start it with popferry run, or poll once with popferry run --once --now", err)}
	}
	defer func() { _ = conn.Close() }()
	if unix, ok := conn.(*net.UnixConn); ok {
		if err := checkPeer(unix, path, trust.Current()); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var first response
	if err = conn.SetDeadline(time.Now().Add(exchangeTimeout)); err == nil {
		err = json.NewEncoder(conn).Encode(request{Poll: accounts, Wait: each != nil})
	}
	in := json.NewDecoder(conn)
	if err == nil {
		err = in.Decode(&first)
	}
	said := printable.Line(first.Error)
	switch {
	case err != nil:
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry did not answer on %s: %w", path, err)}
	case first.Usage && len(accounts) > 0 && enabled(cfg, accounts):
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry says: %s; it has not read %s as it is now: try again in a few seconds, and if that does not help, its log says why",
			said, cfg.Path)}
	case first.Error != "" && first.Usage:
		return &app.UsageError{Err: fmt.Errorf("the running popferry says: %s", said)}
	case first.Error != "":
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry says: %s", said)}
	}
	_ = conn.SetDeadline(time.Time{}) // a poll may take hours
	for range first.Polls {
		var p PollResult
		if err := in.Decode(&p); err != nil {
			return &app.TryAgainError{Err: fmt.Errorf("the running popferry stopped before the end of the poll: %w; start it again, and it does the rest", err)}
		}
		p.Summary, p.Problem = printable.Line(p.Summary), printable.Line(p.Problem)
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}
