package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher/ledger"
)

// readBack makes sure that what was written is a configuration with the
// account as it was tried.
func (s *setup) readBack(ctx context.Context) error {
	cfg, err := config.Load(s.place.main, config.Env{CheckSchedule: schedule.Check, ReadOnly: s.place.existing != nil})
	if err != nil {
		return err
	}
	for _, a := range cfg.Accounts {
		if a.Name == s.flags.name {
			if x := s.mailbox; a.Host != x.server.Host || a.Port != x.server.Port || a.TLS.Mode != x.server.TLS.String() || a.Username != x.usernames[0] {
				return fmt.Errorf("%s is read back as another account, %s at %s:%d; please report this", a.File, a.Username, a.Host, a.Port)
			}
			if err := s.checkDelivery(a); err != nil {
				return err
			}
			return s.checkLedger(ctx, cfg)
		}
	}
	return fmt.Errorf("the account %s is not in %s", s.flags.name, s.place.main)
}

// checkDelivery makes sure that an account's mail goes where it was said to.
// What a configuration that is there has as defaults shows only now.
func (s *setup) checkDelivery(a config.Account) error {
	if s.place.existing == nil || a.Forward == s.joined.Name && slices.Equal(a.To, s.joined.To) {
		return nil
	}
	return fmt.Errorf("by the defaults of %s its mail would go to %s by %s, and not to %s by %s; say which with --to and --forward",
		s.place.main, strings.Join(a.To, ", "), a.Forward, strings.Join(s.joined.To, ", "), s.joined.Name)
}

// checkLedger makes sure that the ledger knows no other mailbox by the name of
// the account: with such a configuration nothing runs, the accounts that are
// there neither.
func (s *setup) checkLedger(ctx context.Context, cfg *config.Config) error {
	if s.place.existing == nil {
		return nil // the first poll tells, and holds up nothing
	}
	store, err := app.ReadLedger(ctx, cfg)
	if err != nil {
		s.Failed("the ledger, which may be for the service alone, was not looked at: %v", err)
		return nil
	}
	if store == nil {
		return nil // nothing was polled yet
	}
	known, err := store.Accounts(ctx)
	if err = errors.Join(err, store.Close()); err != nil {
		return err
	}
	if _, err = ledger.Claim(known, app.Identities(cfg)); errors.Is(err, ledger.ErrIdentity) {
		return &app.ConfigError{Err: err}
	}
	return err
}
