package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
)

// Where init puts the files of accounts, beside a configuration that it makes.
const (
	accountsFolder  = "accounts.d"
	accountsPattern = accountsFolder + "/*.yaml"
)

// place is where init writes.
type place struct {
	main     string         // the configuration file
	existing *config.Config // what it says; nil: it is yet to be written
	folder   string         // for a file of each account
}

// findPlace finds the configuration that an account is to be added to, or
// where there is none the place for one.
func (p *program) findPlace() (place, error) {
	// Nobody logs in by it here: its passwords may be out of reach.
	env := config.Env{CheckSchedule: schedule.Check, ReadOnly: true}
	path, err := config.Find(p.configFlag, env)
	var none *config.NotFoundError
	if errors.As(err, &none) {
		path, err = none.Looked[0], nil
	}
	if err != nil {
		return place{}, &app.ConfigError{Err: err}
	}
	fresh := place{main: path, folder: filepath.Join(filepath.Dir(path), accountsFolder)}
	switch _, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, fresh.checkLeftovers()
	case err != nil:
		return place{}, &app.ConfigError{Err: err}
	}
	cfg, err := config.Load(path, env)
	if err != nil {
		return place{}, &app.ConfigError{Err: fmt.Errorf("%s is there already, and has to be mended before an account can be added:\n%w", path, err)}
	}
	for _, pattern := range cfg.Patterns {
		if folder := filepath.Dir(pattern); takes(pattern, folder, accountEnding) && !takes(pattern, folder, passwordEnding) && !strings.ContainsAny(folder, "*?[") {
			return place{main: path, existing: cfg, folder: folder}, nil
		}
	}
	return place{}, &app.ConfigError{Err: fmt.Errorf(noPlace, path, accountsPattern, accountsFolder)}
}

// takes tells whether a pattern includes files in a folder with this ending.
func takes(pattern, folder, ending string) bool {
	ok, err := filepath.Match(pattern, filepath.Join(folder, "name"+ending))
	return ok && err == nil
}

// checkLeftovers looks whether accounts are there without a configuration: a
// new one would have them forward mail again, perhaps of this very mailbox.
func (p place) checkLeftovers() error {
	entries, err := os.ReadDir(p.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &app.ConfigError{Err: fmt.Errorf("looking for accounts that are there: %w", err)}
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == accountEnding {
			files = append(files, filepath.Join(p.folder, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil
	}
	return &app.ConfigError{Err: fmt.Errorf("there is no %s, and yet accounts that it would take up: %s; "+
		"move them away if they are of no use any more, or write elsewhere: popferry init --config other/popferry.yaml", p.main, strings.Join(files, ", "))}
}

// noPlace says why nothing can be added, and what to do.
const noPlace = `%[1]s is there already, and no file is ever overwritten.
An account is added as a file of its own, but %[1]s includes none. Either
  - write elsewhere: popferry init --config other.yaml
  - or move an account into a file %[3]s/NAME.yaml, under accounts: too, and write include: [%[2]s] into %[1]s`

// file is the path for an account's file, or another one's beside it.
func (p place) file(name, ending string) string {
	return filepath.Join(p.folder, fileName(name)+ending)
}

// fileName is a name with no letters in it that a file's cannot have.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r), strings.ContainsRune("@.+-_=", r):
			return r
		}
		return '_'
	}, name)
}
