package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/legacy"
	"github.com/popferry/popferry/fetcher/ledger"
)

// seenAccount is an account of popferry's, and the messages that another
// program has fetched from its mailbox.
type seenAccount struct {
	ledger.Identity
	uids, spellings []string // as in legacy.Seen
}

// seenOf are the accounts of a setup under the names that they have now.
func seenOf(setup *legacy.Setup, names []string) []seenAccount {
	out := make([]seenAccount, len(names))
	for i, a := range setup.Accounts {
		out[i] = seenAccount{ledger.Identity{Name: names[i], Username: a.Username, Host: a.Host}, a.Seen.UIDs, a.Seen.Spellings}
	}
	return out
}

// noteSeen notes what was fetched for the accounts of a configuration that is
// there already.
func (m *importer) noteSeen(ctx context.Context) error {
	cfg, err := m.loadToLook()
	if err != nil {
		return err
	}
	m.setup.Remarks = slices.DeleteFunc(m.setup.Remarks, func(r legacy.Remark) bool { return !r.Record })
	accounts, names := m.seenIn(cfg)
	if !slices.ContainsFunc(accounts, func(a seenAccount) bool { return len(a.uids) > 0 }) {
		return errors.Join(m.printUnknown(names, cfg.Path), m.printRemarks(), fmt.Errorf("%s has no record of messages that it has fetched for an account in %s; "+
			"nothing was noted, so popferry would forward all that is on the servers", m.from, cfg.Path))
	}
	noted, err := m.fill(ctx, cfg, accounts)
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
func (m *importer) seenIn(cfg *config.Config) (accounts []seenAccount, names []string) {
	accounts = make([]seenAccount, len(cfg.Accounts))
	names = make([]string, len(m.setup.Accounts))
	for i, id := range identities(cfg) {
		accounts[i].Identity = id
		for j, a := range m.setup.Accounts { // several may have fetched from one mailbox
			if a.Username == id.Username && strings.EqualFold(a.Host, id.Host) {
				accounts[i].uids = append(accounts[i].uids, a.Seen.UIDs...)
				accounts[i].spellings = append(accounts[i].spellings, a.Seen.Spellings...)
				names[j] = id.Name
			}
		}
	}
	return accounts, names
}

// fill notes in a configuration's ledger which messages were fetched, and
// returns for each account by name how many are new there.
func (m *importer) fill(ctx context.Context, cfg *config.Config, accounts []seenAccount) (noted map[string]int, err error) {
	store, err := openLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the ledger: %w", cerr)
		}
	}()
	ids := make([]ledger.Identity, len(accounts))
	for i, a := range accounts {
		ids[i] = a.Identity
	}
	rows, err := claimAll(ctx, store, ids)
	if err != nil {
		return nil, err
	}
	noted = make(map[string]int)
	for i, a := range accounts {
		if len(a.uids) == 0 {
			continue
		}
		d := &desk{program: m.program, cfg: cfg, store: store, account: rows[i]}
		if err := d.underLease(ctx, m.flags.wait, func() error {
			noted[a.Name], err = d.note(ctx, m.from, a)
			return err
		}); err != nil {
			return nil, fmt.Errorf("noting what was fetched of %s: %w", a.Name, err)
		}
	}
	return noted, nil
}

// note writes rows for those of the UIDs that have none, and returns how many
// messages that are.
func (d *desk) note(ctx context.Context, program string, a seenAccount) (messages int, err error) {
	known, err := d.lease.Known(ctx)
	if err != nil {
		return 0, err
	}
	have := make(map[string]bool, len(known))
	for _, k := range known {
		have[k.UID] = true
	}
	var recs []*ledger.Record
	now := time.Now()
	for i, uid := range slices.Concat(a.uids, a.spellings) {
		if have[uid] {
			continue
		}
		have[uid] = true
		recs = append(recs, ledger.Imported(uid, program, now))
		if i < len(a.uids) {
			messages++
		}
	}
	return messages, d.lease.Put(ctx, recs...) // all or none
}
