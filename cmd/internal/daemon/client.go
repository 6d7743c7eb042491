package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/trust"
	"github.com/popferry/popferry/fetcher/printable"
)

// enabled reports whether the configuration polls all of these accounts.
func enabled(cfg *config.Config, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Name == name && a.Enabled })
	})
}

// unknown is the first of these names that no account of the configuration has; "": each
// has one.
func unknown(cfg *config.Config, names []string) string {
	for _, name := range names {
		if !slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Name == name }) {
			return name
		}
	}
	return ""
}

// RequestPolls asks the daemon that runs with this configuration to poll
// accounts now, or all of them if none is named. If each is not nil, it waits
// and calls each with the result of each poll. What it returns and hands over can be
// printed. The daemon has to run as the user who asks, or as one who may own the
// ledger. Where none runs on this machine, and others share the ledger, these are asked.
func RequestPolls(ctx context.Context, cfg *config.Config, accounts []string, each func(PollResult) error) error {
	conn, err := connect(ctx, cfg)
	if _, none := errors.AsType[*notRunningError](err); none && cfg.Shared != nil {
		return requestByLedger(ctx, cfg, accounts, each)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := json.NewDecoder(conn)
	first, err := exchange(conn, in, request{Poll: accounts, Wait: each != nil})
	said := printable.Line(first.Error)
	switch {
	case err != nil:
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry did not answer on %s: %w", socketPath(cfg), err)}
	case first.Usage && len(accounts) > 0 && enabled(cfg, accounts):
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry says: %s; it has not read %s as it is now: try again in a few seconds, and if that does not help, its log says why",
			said, cfg.Path)}
	case first.Usage && unknown(cfg, accounts) != "":
		return &app.UsageError{Err: app.UnknownAccount(cfg, unknown(cfg, accounts))}
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

// connect connects to the daemon that runs with this configuration.
func connect(ctx context.Context, cfg *config.Config) (net.Conn, error) {
	path := socketPath(cfg)
	conn, err := (&net.Dialer{Timeout: exchangeTimeout}).DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("popferry cannot be asked through %s: %w; run this command as the user that it runs as", path, err)
	}
	if err != nil {
		return nil, &notRunningError{&app.TryAgainError{Err: fmt.Errorf("no running popferry was reached: %w; start it with popferry run, or poll once with popferry run --once --now", err)}}
	}
	if unix, ok := conn.(*net.UnixConn); ok {
		if err := checkPeer(unix, path, trust.Current()); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// notRunningError: nobody listens on the socket.
type notRunningError struct{ error }

func (e *notRunningError) Unwrap() error { return e.error }

// exchange sends a request and reads the first response.
func exchange(conn net.Conn, in *json.Decoder, r request) (first response, err error) {
	if err = conn.SetDeadline(time.Now().Add(exchangeTimeout)); err == nil {
		err = json.NewEncoder(conn).Encode(r)
	}
	if err == nil {
		err = in.Decode(&first)
	}
	return first, err
}

// Look asks the daemon that runs with this configuration how it is. That none runs is
// not an error.
func Look(ctx context.Context, cfg *config.Config) (report.Process, error) {
	conn, err := connect(ctx, cfg)
	if _, none := errors.AsType[*notRunningError](err); none {
		return report.Process{}, nil
	}
	if err != nil {
		return report.Process{}, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	p := report.Process{Running: true}
	first, err := exchange(conn, json.NewDecoder(conn), request{Health: true})
	switch {
	case err != nil:
		p.Problem = "it does not answer: " + err.Error()
	case first.Health == nil:
		p.Problem = "it is of another version; restart it"
	default:
		p.Since, p.Problem = first.Health.Since, printable.Line(first.Health.Problem)
		if first.Health.Process > 0 {
			p.Where = first.Health.where()
		}
	}
	return p, nil
}

// warnOfAnother says that a popferry runs with this ledger already. A ledger in a
// database is there to be shared.
func (d *daemon) warnOfAnother(ctx context.Context) {
	if d.shared != nil {
		return
	}
	other, err := Look(ctx, d.Options.Config)
	if err != nil || !other.Running {
		return
	}
	d.Log.Warn("another popferry runs with this ledger: now both poll, each mailbox one at a time, and nothing is sent twice; popferry poll, status and healthy reach only this one. Stop the one that you do not need",
		"other", cmp.Or(other.Where, "an older version"), "since", other.Since, "state", d.Options.Config.State)
}
