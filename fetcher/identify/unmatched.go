package identify

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Unmatched are the messages of a listing under UIDs without a row, and the rows
// whose messages are not listed. Some of them may belong together: servers are
// moved, at once or in steps, and there are some that give other UIDs in each
// session.
type Unmatched struct {
	Entries []pop3.Entry
	Rows    []*ledger.Known // those that were deleted are not among them
	// Moved: nearly all UIDs of the last listing have gone, and nearly as many
	// unknown ones, or more, have come.
	Moved bool
	// Edited: host, port or user name of the account were changed since its last
	// listing. It may be another mailbox now.
	Edited bool
	// Waiting: that could not be told, and the user was to decide.
	Waiting bool
	left    int  // of the Rows, those that were in the last listing
	emptied bool // View.Emptied
}

// A mailbox counts as moved when at least so many UIDs have gone, and at least this
// part of those that were left on the server. Not all, because some messages may
// have been deleted on the way.
const (
	MinMoved  = 10
	movedPart = 0.9
)

// FindUnmatched compares a listing with the rows.
func FindUnmatched(v *View) Unmatched {
	x := v.indexed()
	u := Unmatched{emptied: v.Emptied}
	last := 0 // rows whose messages were in the last listing
	for i, k := range v.Known.All() {
		if listedLastTime(&k) {
			last++
		}
		if !NotDeleted(k) || x.listed[i] || k.CopyFile != "" {
			continue
		}
		u.Rows = keep(u.Rows, k)
		if _, edited := ledger.OriginalUID(k.UID); edited {
			u.Edited = u.Edited || listedLastTime(&k)
			u.Waiting = u.Waiting || !listedLastTime(&k)
		}
		if listedLastTime(&k) {
			u.left++
		}
	}
	u.Entries = x.withoutRow(v.Entries)
	n := float64(u.left)
	u.Moved = u.left >= MinMoved && n >= movedPart*float64(last) && float64(len(u.Entries)) >= movedPart*n
	return u
}

// Ask are the entries whose headers are to be compared before they are fetched: all
// if the mailbox was moved, else those that have the size of a row that has a
// fingerprint, or that is of a message that never came whole. Of the others the
// header is compared once they were fetched, before they are sent.
func (u Unmatched) Ask() []pop3.Entry {
	if u.Moved {
		return u.Entries
	}
	return u.ofSize(func(k *ledger.Known) bool { return k.Fingerprint != "" || k.Cause.Code == ledger.CauseIncomplete })
}

// AskBroken are the entries that have the size of a row whose message never came
// whole. It ends the session each time, before those behind it, unless it is known.
func (u Unmatched) AskBroken() []pop3.Entry {
	return u.ofSize(func(k *ledger.Known) bool { return k.Cause.Code == ledger.CauseIncomplete })
}

// ofSize are the entries that may have the size of a row that is asked for.
func (u Unmatched) ofSize(is func(*ledger.Known) bool) (ask []pop3.Entry) {
	sizes := make(map[int64]bool)
	for _, k := range u.Rows {
		if is(k) {
			sizes[k.Size] = true
		}
	}
	for _, e := range u.Entries {
		if sizes[e.Size] || sizes[-1] || e.Size < 0 && len(sizes) > 0 {
			ask = append(ask, e)
		}
	}
	return ask
}

// Rematch pairs rows with messages of the same fingerprint, one to one. It reports
// certain as false if messages are left over that may be those of rows without a
// fingerprint, by their sizes: which of them were forwarded cannot be told then.
func (u Unmatched) Rematch(entries []pop3.Entry, prints []Print) (moved []Match, certain bool) {
	unsure := lastListed(u.emptied)
	switch {
	case u.Edited:
		unsure = nil // rather than that most of a mailbox seems to be another's
	case !u.Moved || !anyProven(u.Rows, prints):
		unsure = orAlike(unsure) // its owner may have deleted it when the other one came
	}
	moved, left, rest := pair(u.Rows, entries, prints, unsure)
	if !u.Edited {
		// What was never delivered is fetched in any case, or left alone for its size again.
		// What had left before has done so, or the user was asked about it already.
		done := slices.DeleteFunc(left, func(k *ledger.Known) bool {
			return !listedLastTime(k) || k.State != ledger.Forwarded && k.State != ledger.Skipped || k.Cause.Code == ledger.CauseTooLarge
		})
		return moved, !mayBeTheSame(done, rest)
	}
	fitting := fitByUID(left, rest)
	others := len(u.Rows) - len(left) // rows that headers have proven
	switch {
	case len(fitting) == 0:
		return moved, true
	case 2*(others+len(fitting)) >= len(u.Rows) && others > 0: // most of them fit
		return append(moved, fitting...), true
	case others == 0 && contradicted(u.Rows, rest): // the same UIDs, other messages: another mailbox
		return moved, true
	}
	return moved, false
}

// mayBeTheSame reports whether half or more of these rows without a fingerprint, or
// of the messages, agree in their sizes. A size that is not known may be any.
func mayBeTheSame(left []*ledger.Known, rest []pop3.Entry) bool {
	bySize := make(map[int64]int)
	for _, k := range left {
		bySize[k.Size]++
	}
	fitting := 0
	for _, e := range rest {
		size := e.Size
		if bySize[size] == 0 {
			size = -1
		}
		if bySize[size] > 0 {
			bySize[size]--
			fitting++
		}
	}
	return fitting > 0 && 2*fitting >= min(len(left), len(rest))
}

// fitByUID matches rows without a fingerprint with messages that have the UID and
// the size that they had before the account was edited.
func fitByUID(left []*ledger.Known, rest []pop3.Entry) (fitting []Match) {
	byUID := make(map[string]*ledger.Known)
	for _, k := range left {
		if uid, ok := ledger.OriginalUID(k.UID); ok {
			byUID[uid] = k
		}
	}
	for _, e := range rest {
		if k, ok := byUID[e.UID]; ok && SameSize(e, *k) {
			fitting = append(fitting, Match{Entry: e, Known: *k})
		}
	}
	return fitting
}

// contradicted reports whether a message has the UID of a row whose fingerprint is
// another.
func contradicted(rows []*ledger.Known, rest []pop3.Entry) bool {
	uids := make(map[string]bool)
	for _, k := range rows {
		if uid, ok := ledger.OriginalUID(k.UID); ok && k.Fingerprint != "" {
			uids[uid] = true
		}
	}
	for _, e := range rest {
		if uids[e.UID] {
			return true
		}
	}
	return false
}

// AnotherMailbox reports whether an edited account has another mailbox now: so few of
// its messages were matched. Where nothing is left to compare it may be the same.
func (u Unmatched) AnotherMailbox(matched int) bool {
	return len(u.Rows) > 0 && 4*matched < min(len(u.Rows), len(u.Entries))
}

// UIDsAreNumbers reports whether the UIDs of a listing are made of the numbers of the
// messages, in any spelling: these mean other messages after each deletion
// (against RFC 1939 section 7). A mailbox in which nothing was deleted yet may look
// the same.
func UIDsAreNumbers(entries []pop3.Entry) bool {
	const maxPrefix = 3 // "msg1"; what is longer names the mailbox
	for _, base := range []int{10, 16} {
		for _, offset := range []int64{0, -1} { // from 1, or from 0
			prefix := ""
			is := func(i int, e pop3.Entry) bool {
				digits := strings.TrimLeftFunc(e.UID, func(r rune) bool { return !isDigit(r, base) })
				if i == 0 {
					prefix = e.UID[:len(e.UID)-len(digits)]
				}
				if len(prefix) > maxPrefix {
					return false
				}
				n, err := strconv.ParseInt(digits, base, 64)
				return err == nil && n == int64(e.Number)+offset && e.UID[:len(e.UID)-len(digits)] == prefix
			}
			all := len(entries) > 0
			for i, e := range entries {
				if all = all && is(i, e); !all {
					break
				}
			}
			if all {
				return true
			}
		}
	}
	return false
}

func isDigit(r rune, base int) bool {
	return '0' <= r && r <= '9' || base == 16 && ('a' <= r && r <= 'f' || 'A' <= r && r <= 'F')
}

// Suspects are messages whose headers show whether UIDs mean other messages than
// before, if so many of them do. Where the UIDs are numbers, these are some of the
// known ones, the last among them, because each deletion moves all that follow, and
// some of those before it; else some whose size has changed. enough is 0 if it is
// known already: several rows cannot have one number.
func Suspects(v *View, numbers bool) (suspects []Match, enough int) {
	const most = 32
	if numbers {
		enough = 1
		if v.shared() {
			enough = 0
		}
		return spread(v, most), enough
	}
	for m := range v.recognizable() {
		if !SameSize(m.Entry, m.Known) {
			if suspects = append(suspects, m); len(suspects) == most {
				break
			}
		}
	}
	// One UID may have been given to another message; several at once are a move.
	return suspects, min(3, max(1, len(v.Entries)/20))
}

// shared reports whether a UID of the listing has several rows from the last one.
func (v *View) shared() bool {
	x := v.indexed()
	var rows []ledger.Known
	for i, e := range v.Entries {
		if first := x.first[i]; first < 0 || x.after(first) < 0 || x.doubled[e.UID] != nil {
			continue
		}
		rows = x.rows(rows[:0], i, v.Known)
		if count(rows, func(k ledger.Known) bool { return listedLastTime(&k) }) > 1 {
			return true
		}
	}
	return false
}

// spread is the last of the messages that can be recognized, and at even distances
// others before it, at most so many. There may be a million: only what is returned
// is kept.
func spread(v *View, most int) (list []Match) {
	n := 0
	for range v.recognizable() {
		n++
	}
	step := 1
	for (n+step-1)/step > most {
		step *= 2
	}
	for m := range v.recognizable() {
		if n--; n%step == 0 {
			list = append(list, m)
		}
	}
	return list
}

// recognizable are the entries that have one row each from the last listing, with a
// fingerprint.
func (v *View) recognizable() iter.Seq[Match] {
	x := v.indexed()
	return func(yield func(Match) bool) {
		var rows []ledger.Known
		for i, e := range v.Entries {
			rows = x.rows(rows[:0], i, v.Known)
			k := current(rows)
			if k == nil || k.Fingerprint == "" || x.doubled[e.UID] != nil {
				continue
			}
			if !yield(Match{Entry: e, Known: *k}) {
				return
			}
		}
	}
}

// Away are the rows whose messages are not listed, by ledger.HeaderFingerprint: also those that
// were deleted, for a message may come back under another UID. Where UIDs are numbers
// a UID that is listed may mean another message: its row counts as listed if its
// message was there the last time, and the size is the same.
func Away(v *View, numbers bool) map[string][]ledger.Known {
	x := v.indexed()
	sizes := make(map[string]int64)
	if numbers {
		for _, e := range v.Entries {
			sizes[e.UID] = e.Size
		}
	}
	away := make(map[string][]ledger.Known)
	for i, k := range v.Known.All() {
		here := x.listed[i]
		if numbers && here {
			here = listedLastTime(&k) && SameSize(pop3.Entry{Size: sizes[k.UID]}, k)
		}
		if !here && k.Fingerprint != "" {
			header := ledger.HeaderFingerprint(k.Fingerprint)
			away[header] = append(away[header], k)
		}
	}
	return away
}

// WithoutFingerprint are listed messages that are known by UID and size alone, at
// most so many: skipped or imported ones. Those that are still to be fetched are not
// among them.
func WithoutFingerprint(v *View, most int) []Match {
	x := v.indexed()
	var list []Match
	for i, e := range v.Entries {
		k := x.first[i]
		if k < 0 || x.after(k) >= 0 || len(x.doubled[e.UID]) > 0 {
			continue
		}
		if r := v.Known.At(int(k)); r.Fingerprint == "" && !r.State.Due() && r.State != ledger.Gone && listedLastTime(&r) && SameSize(e, r) && !ledger.Waiting(v.Now, r.NextAttempt) {
			if list = append(list, Match{Entry: e, Known: r}); len(list) == most {
				break
			}
		}
	}
	return list
}
