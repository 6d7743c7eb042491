package setup

import (
	"cmp"
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
	"github.com/popferry/popferry/cmd/internal/service"
	"github.com/popferry/popferry/cmd/internal/trust"
)

// Where the files of accounts go, beside a new configuration.
const (
	accountsFolder  = "accounts.d"
	accountsPattern = accountsFolder + "/*.yaml"
)

// Target is where the files are written.
type Target struct {
	Config   string         // the configuration's file
	Existing *config.Config // what it says; nil: it is written, too
	Folder   string         // for the files of each account
}

// findTarget finds the configuration to which an account is added, or else the
// place for a new one. path is that of a flag; "": the usual places. Errors are
// of type *app.ConfigError.
func findTarget(path string) (t Target, err error) {
	defer func() {
		if err != nil {
			err = &app.ConfigError{Err: err}
		}
	}()
	env := config.Env{CheckSchedule: schedule.Check, ReadOnly: true} // the passwords of the other accounts may be unreadable
	path = config.Place(path, env)
	t = Target{Config: path, Folder: filepath.Join(filepath.Dir(path), accountsFolder)}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return t, cmp.Or(t.checkLeftovers(), trust.Current().Check(path)) // before any question
	} else if err != nil {
		return t, err
	}
	if t.Existing, err = config.Load(path, env); err != nil {
		return t, fmt.Errorf("%s exists but cannot be used; correct it before you add an account:\n%w", path, err)
	}
	for _, pattern := range t.Existing.Patterns {
		t.Folder = filepath.Dir(pattern)
		if includes(pattern, t.Folder, accountEnding) && !includes(pattern, t.Folder, passwordEnding) && !strings.ContainsAny(t.Folder, "*?[") {
			return t, nil
		}
	}
	return t, fmt.Errorf(noInclude, path, accountsPattern, accountsFolder)
}

// noInclude says why nothing can be added, and what to do.
const noInclude = `%[1]s exists already, and init never overwrites a file.
It would add the account as a file of its own, but %[1]s includes no folder of such files. Either
  - write to another file: popferry init --config other.yaml
  - or move an account into a file %[3]s/NAME.yaml, below accounts: there too, and add to %[1]s: include: [%[2]s]`

// includes reports whether a pattern matches files in a folder with this ending.
func includes(pattern, folder, ending string) bool {
	ok, err := filepath.Match(pattern, filepath.Join(folder, "name"+ending))
	return ok && err == nil
}

// checkLeftovers refuses to write a new configuration that would include account
// files from before: it would forward their mail again.
func (t Target) checkLeftovers() error {
	entries, err := os.ReadDir(t.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for existing accounts: %w", err)
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == accountEnding {
			files = append(files, filepath.Join(t.Folder, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil
	}
	return fmt.Errorf("there is no %s, but there are account files that it would include: %s; "+
		"move them away if you no longer need them, or write to another folder: popferry init --config other/popferry.yaml", t.Config, strings.Join(files, ", "))
}

// checkWritable returns why the files, or the ledger that the first poll makes, cannot be
// written. The ledger of an existing configuration may be a service's. Errors are of type
// *app.ConfigError.
func (t Target) checkWritable() error {
	guard := trust.Current()
	err := guard.Writable(t.Folder)
	if t.Existing != nil {
		if err != nil {
			err = &app.ConfigError{Err: fmt.Errorf("the account cannot be added in %w", err)}
		}
		return err
	}
	if err == nil { // the folder of the accounts may be there already
		err = guard.Writable(filepath.Dir(t.Config))
	}
	if err != nil {
		if !service.InImage() {
			err = fmt.Errorf("%w; or use a folder of your own: popferry init --config FOLDER/popferry.yaml", err)
		}
		return &app.ConfigError{Err: fmt.Errorf("the configuration cannot be written to %w", err)}
	}
	ledger := config.DefaultState(config.Env{})
	if ledger == "" {
		return nil
	}
	if err := cmp.Or(guard.Ledger(ledger), guard.Writable(filepath.Dir(ledger))); err != nil {
		return &app.ConfigError{Err: fmt.Errorf("the ledger, which notes what was forwarded, would be in %w", err)}
	}
	return nil
}

// nameTaken returns an error if an account of that name exists, or a file that
// it would have. Two names may have one file: some characters are replaced.
func (t Target) nameTaken(name string) error {
	if t.Existing != nil {
		for _, a := range t.Existing.Accounts {
			if a.Name == name {
				return fmt.Errorf("another account is called %s, in %s:%d", a.Name, a.File, a.Line)
			}
		}
	}
	for _, ending := range []string{passwordEnding, clientEnding, accountEnding} {
		path := t.file(name, ending)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("the file of an account called %s exists already: %s", name, path)
		}
	}
	return nil
}

// file is the path of an account's file with that ending.
func (t Target) file(name, ending string) string {
	return filepath.Join(t.Folder, fileName(name)+ending)
}

// fileName replaces the characters of a name that a file's cannot have.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r), strings.ContainsRune("@.+-_=", r):
			return r
		}
		return '_'
	}, name)
}
