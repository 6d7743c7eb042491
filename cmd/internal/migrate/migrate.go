package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/legacy"
	"github.com/popferry/popferry/cmd/internal/trust"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Options are what the user says.
type Options struct {
	Program    string   // one of legacy.Programs
	Files      []string // its configuration; none: at the usual place
	StateFiles []string // its record of what it has fetched; none: at the usual place
	Wait       admin.Wait

	// For a new configuration.
	Output string        // the file to write; "": at the usual place, whose folder is made
	State  string        // the ledger's file; "": the default
	To     []string      // the recipients; none: those of the other program
	Server legacy.Server // the destination; no host: that of the other program
	// FirstRunAll is legacy.Choice's.
	FirstRunAll bool
}

// Write marks what was fetched in the ledger and writes a configuration. The
// ledger comes first: without it, the configuration would forward everything
// again.
func Write(ctx context.Context, o Options) (report string, err error) {
	setup, report, err := read(o)
	if err != nil {
		return report, err
	}
	if o.Output == "" {
		o.Output = config.Place("", config.Env{})
		if err := os.MkdirAll(filepath.Dir(o.Output), 0o700); err != nil {
			return "", fmt.Errorf("making a folder for the configuration: %w; name another file with --output", err)
		}
	}
	if _, err := os.Lstat(o.Output); err == nil {
		return "", &app.ConfigError{Err: fmt.Errorf("%s exists already and is not overwritten: name another file with --output, or only mark "+
			"what was fetched, with --seen-only", o.Output)}
	}
	if _, err := os.Stat(filepath.Dir(o.Output)); err != nil {
		return "", fmt.Errorf("the folder of --output cannot be used: %w", err)
	}
	if err := trust.Current().Check(o.Output); err != nil {
		return "", &app.ConfigError{Err: err}
	}
	choice, err := o.choice(setup)
	if err != nil {
		return "", err
	}
	draft := setup.Draft(choice)
	var marked map[string]int
	if choice.Filled {
		fetched := make([]admin.Fetched, len(draft.Names))
		for i, a := range setup.Accounts {
			fetched[i] = admin.Fetched{
				Identity: ledger.NewIdentity(draft.Names[i], a.Username, a.Host, a.Port).Behind(a.Route.ProxyID()),
				UIDs:     a.Seen.UIDs, Spellings: a.Seen.Spellings,
			}
		}
		if marked, err = o.mark(ctx, &config.Config{State: choice.State, StateCreate: true}, fetched); err != nil {
			return "", err
		}
	}
	lost := setup.Lost(draft.Names)
	if lost != "" {
		draft.Head += "\n\n" + strings.TrimSuffix(lost, "\n")
	}
	if err := draft.Create(o.Output); err != nil {
		return "", err
	}
	next, err := o.next(setup, len(draft.Secrets))
	return strings.TrimPrefix(lost+next+setup.Carried(draft.Names, marked), "\n"), err
}

// MarkOnly marks in the ledger of an existing configuration what was fetched for
// its accounts.
func MarkOnly(ctx context.Context, o Options, cfg *config.Config) (report string, err error) {
	setup, report, err := read(o)
	if err != nil {
		return report, err
	}
	setup.Remarks = slices.DeleteFunc(setup.Remarks, func(r legacy.Remark) bool { return !r.Record })
	fetched, names := match(setup, cfg)
	report = setup.Lost(names) + setup.Unknown(names, cfg.Path)
	if !slices.ContainsFunc(fetched, func(f admin.Fetched) bool { return len(f.UIDs) > 0 }) {
		return report, fmt.Errorf("%s has no record of messages that it has fetched for an account in %s; "+
			"nothing was marked, so popferry would forward everything that is on the servers", o.Program, cfg.Path)
	}
	marked, err := o.mark(ctx, cfg, fetched)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(report+setup.Carried(names, marked), "\n"), nil
}

// read reads the files of the other program.
func read(o Options) (setup *legacy.Setup, report string, err error) {
	login := "postmaster" // whose mail it is to fetchmail if no local user is named
	if u, err := user.Current(); err == nil {
		login = u.Username
	}
	setup, err = legacy.Read(o.Program, legacy.Env{Getenv: os.Getenv, User: login}, o.Files, o.StateFiles)
	switch {
	case errors.Is(err, legacy.ErrProgram):
		return nil, "", &app.UsageError{Err: err}
	case err != nil:
		return nil, "", err
	case len(setup.Accounts) == 0:
		return nil, setup.Lost(nil), errors.New("there is no POP3 account in these files; nothing was written")
	}
	return setup, "", nil
}

// choice is what the user adds to the files, with absolute paths.
func (o Options) choice(setup *legacy.Setup) (legacy.Choice, error) {
	c := legacy.Choice{
		Head:        fmt.Sprintf("Written by popferry import %s. popferry help example explains every key.", o.Program),
		State:       o.State,
		To:          o.To,
		Server:      o.Server,
		FirstRunAll: o.FirstRunAll,
		Filled:      slices.ContainsFunc(setup.Accounts, func(a legacy.Account) bool { return len(a.Seen.UIDs) > 0 }),
	}
	if c.State == "" && c.Filled { // written down, because a service has another default than a user
		c.State = config.DefaultState(config.Env{})
	}
	if c.State == "" && c.Filled {
		return c, &app.UsageError{Err: errors.New("the ledger has no default place, because none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set; name one with --state")}
	}
	for _, path := range []*string{&c.State, &c.Server.PasswordFile} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return c, err
		}
		*path = abs
	}
	return c, nil
}

// match returns what was fetched for each account of a configuration, and for
// each account of the other program its name there, or "".
func match(setup *legacy.Setup, cfg *config.Config) (fetched []admin.Fetched, names []string) {
	fetched = make([]admin.Fetched, len(cfg.Accounts))
	names = make([]string, len(setup.Accounts))
	for i, id := range app.Identities(cfg) {
		fetched[i].Identity = id
		for j, a := range setup.Accounts { // several may have fetched from one mailbox
			if a.Username == id.Username && strings.EqualFold(a.Host, id.Host) {
				fetched[i].UIDs = append(fetched[i].UIDs, a.Seen.UIDs...)
				fetched[i].Spellings = append(fetched[i].Spellings, a.Seen.Spellings...)
				names[j] = id.Name
			}
		}
	}
	return fetched, names
}

// mark marks what was fetched in a configuration's ledger, and returns for each
// account by name how many messages are new there.
func (o Options) mark(ctx context.Context, cfg *config.Config, fetched []admin.Fetched) (marked map[string]int, err error) {
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the ledger: %w", cerr)
		}
	}()
	return admin.MarkFetched(ctx, store, o.Program, fetched, o.Wait)
}

// next says what was written and what is left to do.
func (o Options) next(setup *legacy.Setup, passwords int) (string, error) {
	text := "\nWritten: " + o.Output
	switch passwords {
	case 0:
	case 1:
		text += ", and a password file beside it"
	default:
		text += fmt.Sprintf(", and %d password files beside it", passwords)
	}
	text += ".\n\nWhat to do:\n"
	for _, line := range setup.Todo() {
		text += "- " + line + "\n"
	}
	if slices.ContainsFunc(setup.Accounts, func(a legacy.Account) bool { return a.Password == "" && a.Command == "" }) {
		text += "- A password_file has the password in its first line, and only you may be able to read it: chmod 600 FILE\n"
	}
	_, err := app.Load(o.Output)
	wrong, incomplete := errors.AsType[*config.Errors](err)
	switch {
	case incomplete:
		text += fmt.Sprintf("- Before popferry can run, complete it:\n%v\n", wrong)
	case err != nil:
		return text, err
	}
	return text + fmt.Sprintf("- Make sure that %s is stopped, and test the configuration: popferry check --config %s\n", o.Program, o.Output), nil
}
