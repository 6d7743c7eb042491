package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/legacy"
	"github.com/popferry/popferry/fetcher/ledger"
)

// fetchedBy is what another program has fetched, for the accounts under the names
// that they have now.
func fetchedBy(setup *legacy.Setup, names []string) []admin.Fetched {
	out := make([]admin.Fetched, len(names))
	for i, a := range setup.Accounts {
		out[i] = admin.Fetched{
			Identity: ledger.Identity{Name: names[i], Username: a.Username, Host: a.Host},
			UIDs:     a.Seen.UIDs, Spellings: a.Seen.Spellings,
		}
	}
	return out
}

// noteSeen notes what was fetched for the accounts of a configuration that is
// there already.
func (m *importer) noteSeen(ctx context.Context) error {
	cfg, err := m.loadReadOnly()
	if err != nil {
		return err
	}
	m.setup.Remarks = slices.DeleteFunc(m.setup.Remarks, func(r legacy.Remark) bool { return !r.Record })
	accounts, names := m.seenIn(cfg)
	if !slices.ContainsFunc(accounts, func(a admin.Fetched) bool { return len(a.UIDs) > 0 }) {
		return errors.Join(m.printUnknown(names, cfg.Path), m.printRemarks(), fmt.Errorf("%s has no record of messages that it has fetched for an account in %s; "+
			"nothing was noted, so popferry would forward all that is on the servers", m.from, cfg.Path))
	}
	noted, err := m.mark(ctx, cfg, accounts)
	if err != nil {
		return err
	}
	if err := m.printCarried(names, noted); err != nil {
		return err
	}
	return errors.Join(m.printUnknown(names, cfg.Path), m.printRemarks())
}

// seenIn are the accounts of a configuration with what was fetched of their
// mailboxes, and for each account of the setup its name there, or "".
func (m *importer) seenIn(cfg *config.Config) (accounts []admin.Fetched, names []string) {
	accounts = make([]admin.Fetched, len(cfg.Accounts))
	names = make([]string, len(m.setup.Accounts))
	for i, id := range app.Identities(cfg) {
		accounts[i].Identity = id
		for j, a := range m.setup.Accounts { // several may have fetched from one mailbox
			if a.Username == id.Username && strings.EqualFold(a.Host, id.Host) {
				accounts[i].UIDs = append(accounts[i].UIDs, a.Seen.UIDs...)
				accounts[i].Spellings = append(accounts[i].Spellings, a.Seen.Spellings...)
				names[j] = id.Name
			}
		}
	}
	return accounts, names
}

// mark marks in a configuration's ledger what was fetched, and returns for each
// account by name how many messages are new there.
func (m *importer) mark(ctx context.Context, cfg *config.Config, accounts []admin.Fetched) (marked map[string]int, err error) {
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the ledger: %w", cerr)
		}
	}()
	return admin.MarkFetched(ctx, store, m.from, accounts, m.wait(m.flags.wait))
}
