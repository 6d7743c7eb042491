package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/legacy"
)

// printCarried tells what was carried over: a line for each account that has a
// name.
func (m *importer) printCarried(names []string, noted map[string]int) error {
	for i, name := range names {
		a := m.setup.Accounts[i]
		if name == "" {
			continue
		}
		line := fmt.Sprintf("%s: %s at %s, from %s; %s", name, a.Username, a.Host, a.Place, a.Seen)
		if n := len(a.Seen.UIDs); noted[name] < n {
			line += fmt.Sprintf(", %d of them new to the ledger", noted[name])
		}
		if _, err := fmt.Fprintln(m.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// printUnknown tells of accounts that the configuration does not have.
func (m *importer) printUnknown(names []string, path string) error {
	for i, name := range names {
		if a := m.setup.Accounts[i]; name == "" {
			if _, err := fmt.Fprintf(m.stdout, "%s: %s at %s is no account in %s; nothing was noted for it\n", a.Place, a.Username, a.Host, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// printRemarks tells what was not carried over.
func (m *importer) printRemarks() error {
	if len(m.setup.Remarks) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(m.stdout, "\nNot carried over, or to be looked at:"); err != nil {
		return err
	}
	for _, r := range m.setup.Remarks {
		if _, err := fmt.Fprintln(m.stdout, r); err != nil {
			return err
		}
	}
	return nil
}

// printNext tells what was written, and what is left to do.
func (m *importer) printNext(secrets []legacy.SecretFile) error {
	text := fmt.Sprintf("\nWritten: %s", m.flags.output)
	switch n := len(secrets); n {
	case 0:
	case 1:
		text += ", and beside it a file with a password"
	default:
		text += fmt.Sprintf(", and beside it %d files with passwords", n)
	}
	text += ".\n"
	err := m.readBack()
	var wrong *config.Errors
	switch {
	case errors.As(err, &wrong):
		text += fmt.Sprintf("Before popferry runs, this is left to do there:\n%v\n", wrong)
		if slices.ContainsFunc(m.setup.Accounts, func(a legacy.Account) bool { return a.Password == "" && a.Command == "" }) {
			text += "A password_file has nothing but the password in its first line, and is for you alone: chmod 600 FILE\n"
		}
		text += "Then see"
	case err != nil:
		return err
	default:
		text += "See"
	}
	text += fmt.Sprintf(" that %s is stopped, and that all is well: popferry check --config %s\n", m.from, m.flags.output)
	_, err = fmt.Fprint(m.stdout, text)
	return err
}
