package fetcher_test

import (
	"context"
	"os"
	"path/filepath"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// backups are copies of the ledger's file, one of which is put back at times.
type backups struct {
	*chaos
	rng    *rng
	octets []byte // nil: there is none
	told   bool   // it says that it was set back
}

func joinBackups(c *chaos, r *rng) {
	c.names = append(c.names, "backups")
	b := &backups{chaos: c, rng: r, told: r.one(2)}
	c.events = append(c.events, func() {
		switch {
		case r.one(4):
			b.keep()
		case b.octets != nil && r.one(4):
			b.putBack()
		}
	})
}

// keep copies the ledger's file, once there is something in it.
func (b *backups) keep() {
	if b.accountRow().Listed.IsZero() {
		return // to set it back to before the first poll is to begin again
	}
	b.led.interrupted() // by reading the account's row
	b.whileClosed(func() {
		var err error
		b.octets, err = os.ReadFile(b.ledgerPath)
		must(b.t, err)
	})
}

// putBack sets the ledger back. What has arrived since then may come once more.
func (b *backups) putBack() {
	b.whileClosed(func() { must(b.t, os.WriteFile(b.ledgerPath, b.octets, 0o600)) })
	b.cache = nil
	switch {
	case b.told:
		b.timeline++
	case b.inbox != nil:
		b.inbox.failed.Store(true) // nobody knows that it is to be asked
	}
	rows := b.rows()
	b.led.setBack(rows)
	b.mail.setBack(b.chaos, rows, b.told)
	for _, do := range b.restore {
		do(rows)
	}
}

func (b *backups) whileClosed(do func()) {
	must(b.t, b.store.Close())
	do()
	var err error
	b.store, err = sqlite.Open(b.t.Context(), b.ledgerPath, sqlite.Options{Now: b.now.Now})
	must(b.t, err)
}

// setBack: the ledger knows these rows and no others.
func (f *ledgerFaults) setBack(rows []*ledger.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.open)
	clear(f.trace)
	for _, r := range rows {
		f.trace[r.ID] = r.Trace
		for _, rc := range r.Recipients {
			f.open[delivery{r.Trace, rc.Address}] = rc.State == ledger.Sending
		}
	}
}

// setBack notes which messages the ledger has forgotten to have forwarded: each may
// come once more, under the same trace or, where its UID has changed, another one. It
// notes too which ones it has forgotten to have skipped. Where it says that it was set
// back, an inbox that can be asked gets nothing again.
func (m *messages) setBack(c *chaos, rows []*ledger.Record, told bool) {
	has := make(map[delivery]bool)
	prints, skipped := make(map[string]bool), make(map[string]bool)
	for _, r := range rows {
		prints[r.Fingerprint] = true
		skipped[r.UID] = r.State == ledger.Skipped
		for _, rc := range r.Recipients {
			has[delivery{r.Trace, rc.Address}] = rc.State == ledger.Forwarded
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for octets, e := range m.byOctets {
		again := false
		for a, traces := range c.traces(e) {
			for trace := range traces {
				d := delivery{trace, a}
				if has[d] {
					continue
				}
				again = true
				c.led.doubt(d)
			}
		}
		if again && !(told && c.askable() && c.keepsTraces()) {
			e.again++
		}
		if e.skipped && !prints[fingerprint([]byte(octets))] && !skipped[c.lists.uidOf(octets)] {
			e.forgotten = true
		}
	}
}

// doubt notes that a delivery may come once more.
func (f *ledgerFaults) doubt(d delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubts[d]++
}

// skipWithoutCopy is popferry skip for messages whose copy is not there.
func (c *chaos) skipWithoutCopy() {
	for _, r := range c.records() {
		if _, err := os.Stat(filepath.Join(c.copyDir, r.CopyFile)); r.CopyFile == "" || err == nil {
			continue
		}
		r.CopyFile, r.State, r.Cause = "", ledger.Skipped, ledger.Cause{Code: "skipped"}
		c.underLease(func(ctx context.Context, l fetcher.Lease) error { return l.Put(ctx, r) })
	}
	c.cache = nil
	c.led.interrupted()
}
