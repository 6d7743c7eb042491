package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

// The running daemon listens on a unix socket beside the ledger, which whoever
// may read the ledger finds, also in the same container or volume. A connection
// is for one question and one answer, each a line of JSON.

const (
	// controlLimit bounds a connection.
	controlLimit = 10 * time.Second
	// acceptPause is after a connection that could not be taken.
	acceptPause = 100 * time.Millisecond
)

// order is what the daemon is asked for.
type order struct {
	Poll string `json:"poll"` // an account's name; "": all
}

// answer is what came of it.
type answer struct {
	Error string `json:"error,omitempty"`
	Usage bool   `json:"usage,omitempty"` // the question was wrong
}

// controlPath is the socket of a configuration.
func controlPath(cfg *config.Config) string { return cfg.State + ".sock" }

// control is the daemon's side of the socket.
type control struct {
	l     *net.UnixListener
	path  string
	info  os.FileInfo
	poll  func(account string) error
	conns sync.WaitGroup
}

// newControl listens. The socket comes to its place when only its owner may
// use it, over one that an earlier process left.
func newControl(path string, poll func(string) error) (*control, error) {
	fresh := path + ".new"
	_ = os.Remove(fresh) // of a process that was killed; what hinders shows below
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	c := &control{l: l, path: path, poll: poll}
	if err = os.Chmod(fresh, 0o600); err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		c.info, err = os.Stat(path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c.conns.Go(c.serve)
	return c, nil
}

// serve answers until the socket is closed.
func (c *control) serve() {
	for {
		conn, err := c.l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no file descriptor is free, say; later one is
			time.Sleep(acceptPause)
			continue
		}
		c.conns.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(controlLimit)) // else the read has no end, but that of the process
			_ = json.NewEncoder(conn).Encode(c.reply(conn))    // whoever asked has gone
		})
	}
}

func (c *control) reply(conn net.Conn) (a answer) {
	var o order
	line, err := bufio.NewReaderSize(conn, 4096).ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(line, &o)
	}
	if err != nil {
		return answer{Error: "this is no question of popferry poll: " + err.Error(), Usage: true}
	}
	if err := c.poll(o.Poll); err != nil {
		return answer{Error: err.Error(), Usage: !errors.Is(err, errNotNow)}
	}
	return answer{}
}

// close ends it, and takes the socket away if it is not another process's.
func (c *control) close() {
	if now, err := os.Stat(c.path); err == nil && os.SameFile(now, c.info) {
		_ = os.Remove(c.path) // the next process replaces it
	}
	_ = c.l.Close()
	c.conns.Wait()
}

// startControl listens for popferry poll; that it cannot is no reason to stop.
func (d *daemon) startControl(cfg *config.Config) (end func()) {
	c, err := newControl(controlPath(cfg), (&pageDesk{front: d.page, store: d.store}).Poll)
	if err != nil {
		d.log.Warn("popferry poll will not reach this process", slog.Any("error", err))
		return func() {}
	}
	return c.close
}

// ask puts a question to the daemon of a configuration.
func ask(ctx context.Context, cfg *config.Config, o order) error {
	path := controlPath(cfg)
	conn, err := (&net.Dialer{Timeout: controlLimit}).DialContext(ctx, "unix", path)
	if err != nil {
		return &exitError{exitAgain, fmt.Errorf("no running popferry was reached: %w; start it with popferry run, or poll once with popferry run --once --now", err)}
	}
	defer func() { _ = conn.Close() }()
	var a answer
	if err = conn.SetDeadline(time.Now().Add(controlLimit)); err == nil {
		err = json.NewEncoder(conn).Encode(o)
	}
	if err == nil {
		err = json.NewDecoder(conn).Decode(&a)
	}
	switch {
	case err != nil:
		return &exitError{exitAgain, fmt.Errorf("the running popferry did not answer on %s: %w", path, err)}
	case a.Error != "" && a.Usage:
		return &exitError{exitUsage, fmt.Errorf("the running popferry says: %s", a.Error)}
	case a.Error != "":
		return &exitError{exitAgain, fmt.Errorf("the running popferry says: %s", a.Error)}
	}
	return nil
}
