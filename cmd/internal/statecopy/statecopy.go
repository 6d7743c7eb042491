package statecopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Place is a ledger with its configuration.
type Place struct {
	Config *config.Config
	Store  ledger.Store
}

// Done is what was copied.
type Done struct {
	Accounts, Messages, Copies, SignIns, Quarantined int
	// Missing are retained copies that are not where they should be. Their messages
	// cannot be delivered, as before.
	Missing []string
}

// leaseRetry is the pause between two tries for a lease that somebody has.
const leaseRetry = 100 * time.Millisecond

// Copy copies all of a ledger to another one, which has to be empty, and marks the old
// one as moved. It waits so long for polls that are under way.
func Copy(ctx context.Context, from, to Place, wait time.Duration) (done Done, err error) {
	leases, err := takeAll(ctx, from.Store, wait)
	defer func() { err = errors.Join(err, release(leases)) }()
	if err != nil {
		return done, err
	}
	contents, err := ledger.ReadContents(ctx, from.Store)
	if err != nil {
		return done, fmt.Errorf("reading the ledger: %w", err)
	}
	for i := range contents.Accounts { // of the old one
		contents.Accounts[i].Server.Timeline = ""
	}
	o := &octets{from: from, to: to, done: &done}
	if err := o.prepare(ctx, &contents); err != nil {
		return done, err
	}
	if err := to.Store.Fill(ctx, contents); err != nil {
		if errors.Is(err, ledger.ErrNotEmpty) {
			return done, fmt.Errorf("%w: name a new one in %s. If an earlier copy to it was complete and only the old one could not be marked, set `state` to it", err, to.Config.Path)
		}
		return done, err
	}
	done.Accounts, done.SignIns = len(contents.Accounts), len(contents.Tokens)
	if err := contents.Records(ctx, func(*ledger.Record) error { done.Messages++; return nil }); err != nil {
		return done, err
	}
	if err := from.Store.MarkMoved(ctx, to.Config.State); err != nil {
		return done, fmt.Errorf("all was copied, but the old ledger %s could not be marked as moved; make sure that nothing uses it any more: %w", from.Config.State, err)
	}
	return done, nil
}

// lease is the right to an account or to a sign-in.
type lease interface{ Release() error }

// takeAll takes the leases of all accounts and sign-ins. Those that were got are returned
// with an error, too.
func takeAll(ctx context.Context, s ledger.Store, wait time.Duration) (leases []lease, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, ledger.ErrLeased)
	defer cancel()
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		l, err := await(ctx, s, a)
		if err != nil {
			return leases, err
		}
		leases = append(leases, l)
	}
	tokens, err := s.Tokens(ctx)
	for _, t := range tokens {
		l, err := s.LeaseToken(ctx, t.TokenKey)
		if err != nil {
			return leases, fmt.Errorf("the %s is being renewed: stop all popferrys that use the ledger, and try again: %w", t, err)
		}
		leases = append(leases, l)
	}
	return leases, err
}

func await(ctx context.Context, s ledger.Store, a ledger.Account) (ledger.Lease, error) {
	retry := time.NewTicker(leaseRetry)
	defer retry.Stop()
	for {
		l, err := s.Lease(ctx, a.ID)
		if !errors.Is(err, ledger.ErrLeased) {
			return l, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w: stop all popferrys that use the ledger, and try again; nothing was copied", a.Name, context.Cause(ctx))
		}
	}
}

func release(leases []lease) (err error) {
	for _, l := range leases {
		err = errors.Join(err, l.Release())
	}
	return err
}

// octets takes the octets of messages along that the ledgers, or folders beside them,
// keep.
type octets struct {
	from, to Place
	done     *Done
}

// prepare has the contents give what a database keeps, or writes it to files.
func (o *octets) prepare(ctx context.Context, c *ledger.Contents) error {
	c.OpenCopy = o.openCopy
	source, inDatabase := o.from.Store.(ledger.Keeper)
	_, toDatabase := o.to.Store.(ledger.Keeper)
	list, err := o.from.Store.Copies(ctx)
	if err != nil {
		return err
	}
	if list, err = o.present(ctx, list); err != nil {
		return err
	}
	o.done.Copies = len(list)
	refused, err := o.refused(ctx, source)
	if err != nil {
		return err
	}
	o.done.Quarantined = len(refused)
	if toDatabase {
		for _, r := range refused {
			c.Quarantine = append(c.Quarantine, r.Quarantined)
		}
		c.OpenQuarantine = func(ctx context.Context, trace string) (io.WriterTo, error) {
			for _, r := range refused {
				if r.Trace == trace {
					return r.open(ctx)
				}
			}
			return nil, fs.ErrNotExist
		}
		return nil
	}
	if err := copies.SaveBy(ctx, o.openCopy, copies.Dir(o.to.Config), list); err != nil {
		return fmt.Errorf("copying retained copies: %w", err)
	}
	if inDatabase {
		return o.exportRefused(ctx, refused)
	}
	o.done.Quarantined = 0 // the Maildir stays as it is
	return nil
}

// present returns the copies that are there.
func (o *octets) present(ctx context.Context, all []ledger.Copy) (list []ledger.Copy, err error) {
	for _, c := range all {
		octets, err := o.openCopy(ctx, c.Account, c.File)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			o.done.Missing = append(o.done.Missing, c.File)
			continue
		case err != nil:
			return nil, err
		}
		if closer, ok := octets.(io.Closer); ok {
			if err := closer.Close(); err != nil {
				return nil, err
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// openCopy opens a retained copy in the old place.
func (o *octets) openCopy(ctx context.Context, account int64, name string) (io.WriterTo, error) {
	if keeper, ok := o.from.Store.(ledger.Keeper); ok {
		return keeper.OpenCopy(ctx, account, name)
	}
	f, err := copies.Open(copies.Dir(o.from.Config), name)
	if err != nil {
		return nil, err
	}
	return f, nil
}
