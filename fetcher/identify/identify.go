package identify

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// View is what Compare looks at.
type View struct {
	Entries []pop3.Entry
	Known   *ledger.Rows
	Policy  Policy
	Now     time.Time
	// Asked: the user wants a poll now; back-offs do not count.
	Asked bool
	// First: this mailbox was never listed before.
	First bool
	// Emptied: the last listing was empty. That is not believed, so the rows still
	// count as listed; but what is there now may be other messages.
	Emptied bool
	// Adopt: the user said that all unknown messages count as seen.
	Adopt bool

	index *index // of Entries and Known; nil: not made yet
}

// indexed returns the index and keeps it.
func (v *View) indexed() *index {
	if v.index == nil {
		v.index = newIndex(v.Entries, v.Known)
	}
	return v.index
}

// With is the view with other rows.
func (v View) With(known *ledger.Rows) View {
	v.Known, v.index = known, nil
	return v
}

// Match is a message on the server and what the ledger knows of it.
type Match struct {
	pop3.Entry
	Known ledger.Known
	// Short: it came in this session, with fewer octets than listed.
	Short bool
}

// Candidate is a message to be fetched.
type Candidate struct {
	pop3.Entry
	// Known is the row of an earlier attempt; its ID is 0 if there is none. It is
	// never nil, and not to be changed.
	Known *ledger.Known
	// Others are rows that may turn out to be this message's once its
	// fingerprint is known.
	Others []ledger.Known
}

// NewCandidate is a message without a row.
func NewCandidate(e pop3.Entry) Candidate { return Candidate{Entry: e, Known: new(ledger.Known)} }

// Plan is what a poll has to do.
type Plan struct {
	Due       []Candidate     // to be fetched and sent, in order
	Skip      []Skip          // new, to be recorded only
	Expired   []Match         // forwarded in an earlier session, to be deleted
	Ambiguous []Ambiguity     // to be resolved by fingerprint
	Resized   []Match         // known, but listed with another size than before
	Displaced []*ledger.Known // their UIDs turned out to be those of other messages
	Waiting   int             // deferred, not due yet
	Ignored   int             // deleted often enough, and still there

	fresh int           // entries without a row that are not planned yet
	none  *ledger.Known // that of all of them
}

// Skip is a message to be recorded and left alone. There may be as many as the
// listing has entries, so it is small.
type Skip struct {
	*pop3.Entry
	Cause  *ledger.Cause // that of the message whose copy it is; else nil
	Reason SkipReason
}

// SkipReason is why a message is left alone.
type SkipReason uint8

// The reasons.
const (
	TooLarge       SkipReason = iota + 1 // larger than max_message_size
	BeforeFirstRun                       // there before the first run, and first_run is "new"
	Adopted                              // there when the user said adopt
	Duplicate                            // a copy of a message that another program had fetched
	TooOld                               // there before the first run, and older than first_run says
)

// maxDeletions is how often a message is deleted that comes back each time.
const maxDeletions = 3

// Compare tells new messages from known ones. It is a pure function of the
// listing and the ledger. No row without an entry changes, so an empty, cut or
// windowed listing does no harm; and no entry counts as known because of a UID
// whose size has changed.
func Compare(v View) Plan {
	x := v.indexed()
	p := Plan{fresh: x.unknown, none: new(ledger.Known)}
	var rows []ledger.Known // place keeps none of them
	for i := range v.Entries {
		if len(x.doubled) > 0 && x.doubled[v.Entries[i].UID] != nil {
			continue
		}
		rows = x.rows(rows[:0], i, v.Known)
		p.place(&v, v.Entries[i:i+1:i+1], rows)
	}
	for _, uid := range slices.Sorted(maps.Keys(x.doubled)) {
		i := slices.IndexFunc(v.Entries, func(e pop3.Entry) bool { return e.UID == uid })
		p.place(&v, x.doubled[uid], x.rows(nil, i, v.Known))
	}
	p.sort(v.Policy.Order)
	return p
}

// place assigns the messages that share a UID, nearly always one, to its rows: by
// size where that is unambiguous, the rest by fingerprint, never by position.
func (p *Plan) place(v *View, entries []pop3.Entry, rows []ledger.Known) {
	switch {
	case len(rows) == 0:
		for i := range entries {
			p.unknown(v, &entries[i], nil)
		}
		return
	case len(entries) == 1 && len(rows) == 1 && rows[0].OnlyUID():
		p.found(v, entries[0], &rows[0], nil) // from now on its size counts, too
		return
	case len(entries) == 1 && len(rows) == 1 && listedLastTime(&rows[0]) && rows[0].Fingerprint == "":
		p.found(v, entries[0], &rows[0], nil) // another size than before proves nothing
		return
	}
	if k := current(rows); len(entries) == 1 && k != nil && SameSize(entries[0], *k) {
		p.knownBeside(v, entries[0], k, rows)
		return
	}
	switch left := undeleted(rows); {
	case len(left) == len(rows) && len(left) == len(entries) && indistinguishable(entries, left):
		for i, e := range entries { // any order is right: they are indistinguishable
			p.known(v, e, &left[i])
		}
	default:
		p.bySize(v, entries, rows)
	}
}

// unknown plans for a message without a row.
func (p *Plan) unknown(v *View, e *pop3.Entry, others []ledger.Known) {
	switch {
	case v.Adopt:
		p.skip(Skip{Entry: e, Reason: Adopted})
	case v.First && v.Policy.OnlyNew:
		p.skip(Skip{Entry: e, Reason: BeforeFirstRun})
	case !v.Policy.Allows(e.Size):
		p.skip(Skip{Entry: e, Reason: TooLarge})
	default:
		p.Due = roomFor(p.Due, p.fresh)
		p.Due = append(p.Due, Candidate{Entry: *e, Known: p.none, Others: others})
	}
	p.fresh--
}

// skip adds a message to be left alone.
func (p *Plan) skip(s Skip) {
	p.Skip = append(roomFor(p.Skip, p.fresh), s)
}

// roomFor makes room for so many at the first one: a list that grows with each of a
// million messages takes several times its memory.
func roomFor[T any](list []T, n int) []T {
	if list != nil || n <= 0 {
		return list
	}
	return make([]T, 0, n)
}

// known plans for a message that has a row.
func (p *Plan) known(v *View, e pop3.Entry, k *ledger.Known) {
	switch {
	case k.State == ledger.Forwarded:
		switch {
		case !v.Policy.Expired(k.ForwardedAt, v.Now):
		case k.Deletions >= maxDeletions:
			p.Ignored++
		case ledger.Waiting(v.Now, k.NextAttempt): // a session ended at its header
		default:
			p.Expired = append(p.Expired, Match{Entry: e, Known: *k})
		}
	case k.State == ledger.Skipped && k.Cause.Code == ledger.CauseTooLarge && e.Size >= 0 && v.Policy.Allows(e.Size):
		p.again(e, *k) // the limit was raised
	case k.State != ledger.Gone && !k.State.Due(): // held or skipped: the user decides
	case !v.Asked && ledger.Waiting(v.Now, k.NextAttempt):
		p.Waiting++
	default:
		p.again(e, *k)
	}
}

// again plans to fetch a message that has a row, and keeps the row.
func (p *Plan) again(e pop3.Entry, k ledger.Known) {
	p.Due = append(p.Due, Candidate{Entry: e, Known: &k})
}

// knownBeside is known for a row that shares its UID with others: if its size alone
// speaks for it, the message may turn out to be one of theirs.
func (p *Plan) knownBeside(v *View, e pop3.Entry, k *ledger.Known, rows []ledger.Known) {
	before := len(p.Due)
	p.known(v, e, k)
	if len(rows) > 1 && len(p.Due) > before && k.Fingerprint == "" {
		p.Due[before].Others = without(rows, *k)
	}
}

// sort puts messages into the order in which they are fetched and deleted.
func (p *Plan) sort(o Order) {
	slices.SortStableFunc(p.Expired, func(a, b Match) int { // those at which a session ended go last
		return cmp.Or(a.Known.NextAttempt.Compare(b.Known.NextAttempt), cmp.Compare(a.Number, b.Number))
	})
	o.Sort(p.Due)
}

// breaks reports whether a session may end at the message: it is to be fetched,
// and did not come whole before.
func (c Candidate) breaks() bool {
	return c.Number > 0 && c.Known.Cause.Code == ledger.CauseIncomplete
}

// Doubtful reports whether a copy was kept of the message that may not be whole,
// and its server still has it.
func (c Candidate) Doubtful() bool { return c.Known.CopyFile != "" && c.breaks() }

// SpareBreaking leaves out the messages at which the session may end, if it has
// something else to do at its end: to compare headers, or to delete. They wait for
// one that has not, or for the poll after one without them. So neither they nor the
// others wait for long where a poll has one session only. lastLogin is when the
// session before this one began; a try that is noted for later than now was noted
// under a wrong clock, and may have been long ago.
func (p *Plan) SpareBreaking(v View, lastLogin time.Time) {
	var others, breaking []Candidate
	tried := false // in that session
	for _, c := range p.Due {
		if !c.breaks() {
			others = append(others, c)
			continue
		}
		breaking = append(breaking, c)
		at := ledger.Past(c.Known.NextAttempt, v.Now)
		tried = tried || !at.IsZero() && !at.Before(lastLogin)
	}
	owes := len(p.Ambiguous) > 0 || len(p.Expired) > 0 || !v.Policy.Keep && len(others) > 0
	if len(breaking) > 0 && tried && owes {
		p.Due, p.Waiting = others, p.Waiting+len(breaking)
	}
}

// current is the only row whose message was in the last listing; nil if there is
// none, or more than one.
func current(rows []ledger.Known) (found *ledger.Known) {
	for i := range rows {
		switch {
		case !listedLastTime(&rows[i]):
		case found != nil:
			return nil
		default:
			found = &rows[i]
		}
	}
	return found
}

// undeleted are the rows whose message was not deleted as far as is known.
func undeleted(rows []ledger.Known) []ledger.Known {
	var out []ledger.Known
	for _, k := range rows {
		if NotDeleted(k) {
			out = append(out, k)
		}
	}
	return out
}

// listedLastTime reports whether a row's message was in the last listing, so that
// UID and size are enough to recognise it. One that was missing may have come
// back as another message.
func listedLastTime(k *ledger.Known) bool { return k.DeletedAt.IsZero() && k.MissingSince.IsZero() }

// NotDeleted reports whether a row's message was not deleted as far as is known.
func NotDeleted(k ledger.Known) bool { return k.DeletedAt.IsZero() }

// SameSize reports whether a listed size does not contradict a row's.
func SameSize(e pop3.Entry, k ledger.Known) bool {
	return e.Size < 0 || k.Size < 0 || e.Size == k.Size
}

// indistinguishable reports whether neither these entries nor these rows can be
// told from each other.
func indistinguishable(entries []pop3.Entry, rows []ledger.Known) bool {
	first := rows[0]
	for _, k := range rows {
		if k.Size != first.Size || ledger.HeaderFingerprint(k.Fingerprint) != ledger.HeaderFingerprint(first.Fingerprint) || k.State != first.State || !listedLastTime(&k) {
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
