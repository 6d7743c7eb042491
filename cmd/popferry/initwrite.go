package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// written is what init has set up.
type written struct {
	config, account string
}

// draft is a file that is yet to be written.
type draft struct {
	path    string
	content []byte
}

// write writes the files, makes sure that they are read as what they should
// say, and takes all of them back if anything fails.
func (s *setup) write(ctx context.Context) (written, error) {
	files, err := s.drafts(ctx)
	if err != nil {
		return written{}, err
	}
	s.Say("\nTo be written:")
	for _, f := range files {
		s.Say("  %s", f.path)
	}
	if s.Interactive() {
		if ok, err := s.Confirm(ctx, "Write them?", true); err != nil || !ok {
			return written{}, cmp.Or(err, terminal.ErrStopped)
		}
	}
	var done []string
	for _, f := range files {
		if err = create(f); err != nil {
			break
		}
		done = append(done, f.path)
	}
	if err == nil {
		err = s.readBack(ctx)
	}
	if err != nil {
		return written{}, errors.Join(fmt.Errorf("nothing was set up: %w", err), takeBack(done))
	}
	s.OK("written, and read back")
	return written{s.place.main, s.flags.name}, nil
}

// create writes a file for its owner only, and its folder.
func create(f draft) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", f.path, err)
	}
	err := config.Create(f.path, f.content)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; move it away if it is of no use any more", err)
	}
	return err
}

// takeBack removes files, and a folder that has become empty.
func takeBack(paths []string) error {
	var all error
	for _, path := range paths {
		all = errors.Join(all, os.Remove(path))
	}
	for _, path := range paths {
		if filepath.Base(filepath.Dir(path)) == accountsFolder {
			_ = os.Remove(filepath.Dir(path)) // unless others are in it
		}
	}
	return all
}

// drafts are the files in the order in which they are written: the one that
// makes the others count comes last.
func (s *setup) drafts(ctx context.Context) ([]draft, error) {
	password, err := s.mailbox.secret.Get(ctx)
	if err != nil {
		return nil, err
	}
	files := []draft{{s.place.file(s.flags.name, passwordEnding), []byte(password + "\n")}}
	head := "Written by popferry init on " + time.Now().Format(time.DateOnly) + "."
	account, err := config.Sketch{Head: head, Accounts: []config.Section{s.account()}}.YAML()
	if err != nil {
		return nil, err
	}
	files = append(files, draft{s.place.file(s.flags.name, accountEnding), account})
	if s.place.existing != nil {
		return files, nil
	}
	if !s.inbox.secret.IsZero() {
		if password, err = s.inbox.secret.Get(ctx); err != nil {
			return nil, err
		}
		files = append(files, draft{filepath.Join(filepath.Dir(s.place.main), inboxName+passwordEnding), []byte(password + "\n")})
	}
	main, err := config.Sketch{
		Head:     head + "\nAccounts are in " + accountsFolder + ", a file each: popferry init adds more.\nconfig.example.yaml has all that can be set.",
		Settings: config.Section{{Key: "include", Value: []string{accountsPattern}}},
		Forward:  []config.Section{s.destination()},
	}.YAML()
	return append(files, draft{s.place.main, main}), err
}

// firstPoll polls once, if it is wanted, and tells how to go on.
func (s *setup) firstPoll(ctx context.Context, w written) (err error) {
	poll := s.flags.poll
	if !poll && s.Interactive() {
		poll, err = s.Confirm(ctx, "\nFetch and forward now?", true)
		if err != nil && !errors.Is(err, terminal.ErrStopped) {
			return err
		}
	}
	err = nil // who leaves now has all set up
	if poll {
		err = s.program.pollFirst(ctx, w)
	}
	s.Say("\nNext:")
	if s.place.existing == nil {
		s.Say("  popferry run --config %s   fetches and forwards every 10 minutes, until it is stopped", w.config)
	} else {
		s.Say("  A popferry that is running takes the new account up by itself.")
	}
	s.Say("  popferry init --config %s  adds one more mailbox", w.config)
	return err
}

// pollFirst is run --once without its log: who sits there reads the summary.
func (p *program) pollFirst(ctx context.Context, w written) error {
	p.configFlag = w.config
	cfg, err := p.load()
	if err != nil {
		return err
	}
	names := []string{w.account}
	if err := app.Select(cfg, names); err != nil {
		return err
	}
	cfg.Log.Level = max(cfg.Log.Level, slog.LevelWarn)
	return p.run(ctx, cfg, runFlags{once: true}, names, daemon.Signals{})
}
