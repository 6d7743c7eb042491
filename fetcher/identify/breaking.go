package identify

import (
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Breaking are messages at which sessions ended, and whose headers were not seen:
// only their sizes tell which row is whose. To ask for the header of one ends the
// session again, before anything is done for the others.
type Breaking struct {
	rows    map[int64][]ledger.Known // by size
	listed  map[int64]int            // how many messages have that size
	leftOut map[string]bool
}

// FindBreaking finds them in a listing. leftOut are the UIDs of those at which a
// session of this poll ended.
func FindBreaking(v *View, leftOut map[string]bool) Breaking {
	b := Breaking{leftOut: leftOut}
	for _, k := range v.Known.All() {
		b.add(k)
	}
	b.count(v.Entries)
	return b
}

// Breaking are those among unmatched messages. Where headers can be had by TOP, held
// ones are not: a header proves more than a size, and nobody would look at a message
// that was wrongly taken for one of these.
func (u Unmatched) Breaking(entries []pop3.Entry, held bool) Breaking {
	var b Breaking
	for _, k := range u.Rows {
		if held || k.State != ledger.Held {
			b.add(*k)
		}
	}
	b.count(entries)
	return b
}

// add adds a row, if it is that of such a message.
func (b *Breaking) add(k ledger.Known) {
	if k.Cause.Code != ledger.CauseIncomplete || k.Fingerprint != "" || k.Size < 0 || k.CopyFile != "" || !Undelivered(k) {
		return
	}
	if b.rows == nil {
		b.rows = make(map[int64][]ledger.Known)
	}
	b.rows[k.Size] = append(b.rows[k.Size], k)
}

// count counts the messages that have the sizes of the rows.
func (b *Breaking) count(entries []pop3.Entry) {
	if b.rows == nil {
		return
	}
	b.listed = make(map[int64]int)
	for _, e := range entries {
		if b.rows[e.Size] != nil {
			b.listed[e.Size]++
		}
	}
}

// Without are the other messages.
func (b Breaking) Without(entries []pop3.Entry) []pop3.Entry {
	if b.rows == nil {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), b.Has)
}

// Has reports whether sessions end at a message as far as its size tells. Where more
// messages have that size than rows, it has to be the one at which this poll's ended.
func (b Breaking) Has(e pop3.Entry) bool {
	n := len(b.rows[e.Size])
	return n > 0 && (b.listed[e.Size] <= n || b.leftOut[e.UID])
}

// Row is the row of a message at which a session has ended, as far as its size tells:
// one under its UID before others. It is nil if there is none.
func (b Breaking) Row(e pop3.Entry) *ledger.Known {
	rows := b.rows[e.Size]
	if i := slices.IndexFunc(rows, func(k ledger.Known) bool { return k.UID == e.UID }); i >= 0 {
		return &rows[i]
	}
	if len(rows) > 0 {
		return &rows[0]
	}
	return nil
}

// Pair matches the messages with their rows, one to one, those under their UIDs first.
func (b Breaking) Pair(entries []pop3.Entry) (matches []Match) {
	if b.rows == nil {
		return nil
	}
	paired := make(map[int]bool)    // numbers
	matched := make(map[int64]bool) // rows
	for _, underUID := range []bool{true, false} {
		for _, e := range entries {
			if paired[e.Number] || !b.Has(e) {
				continue
			}
			i := slices.IndexFunc(b.rows[e.Size], func(k ledger.Known) bool {
				return !matched[k.ID] && (!underUID || k.UID == e.UID)
			})
			if i < 0 {
				continue
			}
			k := b.rows[e.Size][i]
			paired[e.Number], matched[k.ID] = true, true
			matches = append(matches, Match{Entry: e, Known: k})
		}
	}
	return matches
}
