package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
)

// ask puts a question to the daemon of a configuration. If that waits, each is
// called for the end of each poll.
func ask(ctx context.Context, cfg *config.Config, o order, each func(pollEnd) error) error {
	path := controlPath(cfg)
	conn, err := (&net.Dialer{Timeout: controlLimit}).DialContext(ctx, "unix", path)
	if err != nil {
		return &app.TryAgainError{Err: fmt.Errorf("no running popferry was reached: %w; start it with popferry run, or poll once with popferry run --once --now", err)}
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var a answer
	if err = conn.SetDeadline(time.Now().Add(controlLimit)); err == nil {
		err = json.NewEncoder(conn).Encode(o)
	}
	in := json.NewDecoder(conn)
	if err == nil {
		err = in.Decode(&a)
	}
	switch {
	case err != nil:
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry did not answer on %s: %w", path, err)}
	case a.Error != "" && a.Usage:
		return &app.UsageError{Err: fmt.Errorf("the running popferry says: %s", a.Error)}
	case a.Error != "":
		return &app.TryAgainError{Err: fmt.Errorf("the running popferry says: %s", a.Error)}
	}
	_ = conn.SetDeadline(time.Time{}) // a poll may take hours
	for range a.Polls {
		var p pollEnd
		if err := in.Decode(&p); err != nil {
			return &app.TryAgainError{Err: fmt.Errorf("the running popferry has stopped before the end of the poll: %w; start it again, it takes up the rest", err)}
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}
