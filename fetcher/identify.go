package fetcher

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// view is what identify looks at.
type view struct {
	Entries []pop3.Entry
	Known   []ledger.Known
	Policy  Policy
	Now     time.Time
	// Asked: a person wants it now, back-offs do not count.
	Asked bool
	// First: nothing of this mailbox was ever listed before.
	First bool
	// Adopt: a person said that all unknown messages count as seen.
	Adopt bool

	index *index // of Entries and Known; nil: not made yet
}

// indexed returns the index, and keeps it.
func (v *view) indexed() *index {
	if v.index == nil {
		v.index = newIndex(v.Entries, v.Known)
	}
	return v.index
}

// match is a message on the server and what the ledger knows of it.
type match struct {
	pop3.Entry
	Known ledger.Known
}

// candidate is a message to be fetched.
type candidate struct {
	pop3.Entry
	// Known is the row of an earlier attempt; its ID is 0 if there is none.
	Known ledger.Known
	// Rivals are rows under the same UID. If the message turns out to be one of
	// them, it is not new after all.
	Rivals []ledger.Known
}

// plan is what a poll has to do.
type plan struct {
	Due      []candidate // to be fetched and sent, in order
	Skip     []skip      // new, to be noted only
	Expired  []match     // forwarded in an earlier session, to be deleted
	Contests []contest   // to be decided by fingerprint
	Resized  []match     // known, but listed with another size than before
	Waiting  int         // deferred, not due yet
	Ignored  int         // deleted often enough, and still there
}

// skip is a message to be noted and left alone.
type skip struct {
	pop3.Entry
	Reason skipReason
	Cause  ledger.Cause // that of the message whose copy it is
}

type skipReason uint8

const (
	tooLarge skipReason = iota + 1
	beforeFirstRun
	adopted
	copied
)

// maxDeletions is how often a message is deleted that comes back each time.
const maxDeletions = 3

// identify tells new messages from known ones. It is a pure function of the
// listing and the ledger: no row without an entry changes, so that an empty,
// cut or windowed listing does no harm, and no entry counts as known on the
// strength of a UID whose size has changed.
func identify(v view) plan {
	x := v.indexed()
	var p plan
	for i, e := range v.Entries {
		if len(x.doubled) > 0 && x.doubled[e.UID] != nil {
			continue
		}
		p.place(&v, v.Entries[i:i+1:i+1], x.rows(i, v.Known))
	}
	for _, uid := range slices.Sorted(maps.Keys(x.doubled)) {
		i := slices.IndexFunc(v.Entries, func(e pop3.Entry) bool { return e.UID == uid })
		p.place(&v, x.doubled[uid], x.rows(i, v.Known))
	}
	p.sort()
	return p
}

// place decides about the messages that share a UID, nearly always one: by
// size where that tells, the rest by fingerprint, never by their position.
func (p *plan) place(v *view, entries []pop3.Entry, rows []ledger.Known) {
	switch {
	case len(rows) == 0:
		for _, e := range entries {
			p.unknown(v, e, nil)
		}
		return
	case len(entries) == 1 && len(rows) == 1 && rows[0].OnlyUID():
		p.found(v, match{Entry: entries[0], Known: rows[0]}, nil) // from now on its size tells, too
		return
	case len(entries) == 1 && len(rows) == 1 && steady(&rows[0]) && sameSize(entries[0], rows[0]):
		p.known(v, entries[0], &rows[0])
		return
	}
	switch left := live(rows); {
	case len(left) == len(rows) && len(left) == len(entries) && alike(entries, left):
		for i, e := range entries { // any order is right: nothing tells them apart
			p.known(v, e, &left[i])
		}
	default:
		p.bySize(v, entries, rows)
	}
}

// unknown places a message without a row.
func (p *plan) unknown(v *view, e pop3.Entry, rivals []ledger.Known) {
	switch {
	case v.Adopt:
		p.Skip = append(p.Skip, skip{Entry: e, Reason: adopted})
	case v.First && v.Policy.OnlyNew:
		p.Skip = append(p.Skip, skip{Entry: e, Reason: beforeFirstRun})
	case !v.Policy.allows(e.Size):
		p.Skip = append(p.Skip, skip{Entry: e, Reason: tooLarge})
	default:
		p.Due = append(p.Due, candidate{Entry: e, Rivals: rivals})
	}
}

// known places a message that has a row.
func (p *plan) known(v *view, e pop3.Entry, k *ledger.Known) {
	switch {
	case k.State == ledger.Forwarded:
		switch {
		case !v.Policy.expired(k.ForwardedAt, v.Now):
		case k.Deletions >= maxDeletions:
			p.Ignored++
		default:
			p.Expired = append(p.Expired, match{Entry: e, Known: *k})
		}
	case k.State == ledger.Skipped && k.Cause.Code == causeTooLarge && e.Size >= 0 && v.Policy.allows(e.Size):
		p.Due = append(p.Due, candidate{Entry: e, Known: *k}) // the limit was raised
	case k.State != ledger.Gone && !k.State.Due(): // held or skipped: a person decides
	case !v.Asked && ledger.Waiting(v.Now, k.NextAttempt):
		p.Waiting++
	default:
		p.Due = append(p.Due, candidate{Entry: e, Known: *k})
	}
}

// sort puts what failed before behind everything else, so that one bad
// message holds up no other.
func (p *plan) sort() {
	slices.SortStableFunc(p.Due, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.Known.Attempts, b.Known.Attempts), cmp.Compare(a.Number, b.Number))
	})
}

// live are the rows whose message was not deleted so far as we know.
func live(rows []ledger.Known) []ledger.Known {
	var out []ledger.Known
	for _, k := range rows {
		if alive(k) {
			out = append(out, k)
		}
	}
	return out
}

// steady tells whether a row's message was in the last listing too, so that its
// UID and size are enough to know it by. What was away may have come back as
// another.
func steady(k *ledger.Known) bool { return k.DeletedAt.IsZero() && k.MissingSince.IsZero() }

// alive tells whether a row's message was not deleted so far as we know.
func alive(k ledger.Known) bool { return k.DeletedAt.IsZero() }

// sameSize tells whether a listed size does not contradict a row's.
func sameSize(e pop3.Entry, k ledger.Known) bool {
	return e.Size < 0 || k.Size < 0 || e.Size == k.Size
}

// alike tells whether neither these entries nor these rows can be told from
// each other.
func alike(entries []pop3.Entry, rows []ledger.Known) bool {
	first := rows[0]
	for _, k := range rows {
		if k.Size != first.Size || k.Fingerprint != first.Fingerprint || k.State != first.State || !steady(&k) {
			return false
		}
	}
	return count(entries, func(e pop3.Entry) bool { return e.Size == first.Size }) == len(entries)
}

func count[T any](list []T, f func(T) bool) int {
	n := 0
	for _, x := range list {
		if f(x) {
			n++
		}
	}
	return n
}
