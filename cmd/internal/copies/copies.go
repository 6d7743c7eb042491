package copies

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Dir is the folder with a configuration's copies, beside the ledger.
func Dir(cfg *config.Config) string { return cfg.Beside(".kept") }

// Found are copies that no poll sends.
type Found struct {
	Stranded []*StrandedError
	Orphans  *OrphansError // nil: there are none
}

// Errors returns what was found, in words.
func (f Found) Errors() (errs []error) {
	for _, s := range f.Stranded {
		errs = append(errs, s)
	}
	if f.Orphans != nil {
		errs = append(errs, f.Orphans)
	}
	return errs
}

// StrandedError: an account that is not polled has mail that only popferry has,
// and that was not given up.
type StrandedError struct {
	Account  string
	Disabled bool // it is in the configuration; else it is not
	Messages int
}

func (e *StrandedError) Error() string {
	why := "the account is not in the configuration"
	if e.Disabled {
		why = "the account is disabled (enabled: false)"
	}
	return fmt.Sprintf("%s, and %s", terminal.Count(e.Messages, "message"), why)
}

// OrphansError: files among the copies belong to no message of the ledger.
type OrphansError struct {
	Dir   string
	Files []string // names
}

func (e *OrphansError) Error() string {
	const most = 5
	names := strings.Join(e.Files[:min(len(e.Files), most)], ", ")
	if more := len(e.Files) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s in %s: %s", terminal.Count(len(e.Files), "file"), e.Dir, names)
}

// Look finds the copies that no poll of this configuration sends. A nil store has
// no rows.
func Look(ctx context.Context, store ledger.Store, cfg *config.Config) (found Found, err error) {
	dir := Dir(cfg)
	var files []fs.DirEntry
	if cfg.Shared == nil { // else the ledger itself has them
		if files, err = list(dir); err != nil || len(files) == 0 { // as nearly always
			return found, err
		}
	}
	var rows []ledger.Copy
	var accounts []ledger.Account
	if store != nil {
		if rows, err = store.Copies(ctx); err != nil {
			return found, err
		}
		if accounts, err = store.Accounts(ctx); err != nil {
			return found, err
		}
	}
	found.Stranded = stranded(accounts, rows, cfg)
	known := make(map[string]bool, len(rows))
	for _, r := range rows {
		known[r.File] = true
	}
	if names := orphans(dir, files, known); len(names) > 0 {
		found.Orphans = &OrphansError{Dir: dir, Files: names}
	}
	return found, nil
}

// list returns the files in the folder; none if it does not exist.
func list(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.Type().IsRegular() }), err
}

// stranded counts the undelivered copies of each account that is not polled.
func stranded(accounts []ledger.Account, rows []ledger.Copy, cfg *config.Config) (list []*StrandedError) {
	waiting := make(map[int64]int)
	for _, r := range rows {
		if r.State.Due() || r.State == ledger.Held {
			waiting[r.Account]++
		}
	}
	enabled := configured(accounts, cfg)
	for _, a := range accounts {
		polled, isConfigured := enabled[a.ID]
		if n := waiting[a.ID]; n > 0 && !polled {
			list = append(list, &StrandedError{Account: a.Name, Disabled: isConfigured, Messages: n})
		}
	}
	return list
}

// configured says of each of the ledger's accounts that is in the configuration,
// if under another name, whether it is enabled.
func configured(accounts []ledger.Account, cfg *config.Config) map[int64]bool {
	enabled := make(map[int64]bool, len(cfg.Accounts))
	ids := make([]ledger.Identity, len(cfg.Accounts))
	for i, c := range cfg.Accounts {
		ids[i] = ledger.NewIdentity(c.Name, c.Username, c.Host, c.Port).Behind(c.Route.Proxy.ID())
	}
	claimed := ledger.Claim(accounts, ids, time.Now())
	for i, a := range claimed {
		enabled[a.ID] = cfg.Accounts[i].Enabled
	}
	return enabled
}

// settled is how long a file may be without a row: a poll writes the row a moment
// later, if its disk is not busy.
const settled = 10 * time.Minute

// orphans are the names of the files that no row knows.
func orphans(dir string, files []fs.DirEntry, known map[string]bool) (names []string) {
	for _, f := range files {
		if known[f.Name()] {
			continue
		}
		info, err := os.Lstat(filepath.Join(dir, f.Name())) // again: it may have been delivered meanwhile
		if err != nil {
			continue
		}
		if age := time.Since(info.ModTime()); age < 0 || age > settled {
			names = append(names, f.Name())
		}
	}
	return names
}
