package identify

import (
	"cmp"
	"slices"
)

// Order is the order in which a poll fetches messages that were not tried before.
type Order uint8

const (
	// Listed is the order of the mailbox, which as a rule is that of arrival.
	Listed Order = iota
	// NewestFirst begins with the last message of the mailbox.
	NewestFirst
	// SmallFirst begins with the smallest message.
	SmallFirst
)

// byAge: in an order other than Listed, every tenth message is the oldest that is
// left, so that a mailbox that never becomes empty starves none.
const byAge = 10

// compare compares two messages that were tried equally often.
func (o Order) compare(a, b *Candidate) int {
	switch o {
	case NewestFirst:
		return cmp.Compare(b.Number, a.Number)
	case SmallFirst:
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Number, b.Number))
	case Listed:
	}
	return cmp.Compare(a.Number, b.Number)
}

// Sort puts messages that failed before behind all others, and those at which a
// session may end behind these, so that one bad message holds up none.
func (o Order) Sort(due []Candidate) {
	last := func(c *Candidate) int {
		if c.breaks() {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(due, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(last(&a), last(&b)), cmp.Compare(a.Known.Attempts, b.Known.Attempts), o.compare(&a, &b))
	})
	if o == Listed {
		return
	}
	untried := slices.IndexFunc(due, Candidate.Tried)
	if untried < 0 {
		untried = len(due)
	}
	weave(due[:untried])
}

// Tried reports whether a message failed before, or a session may end at it.
func (c Candidate) Tried() bool { return c.breaks() || c.Known.Attempts > 0 }

// LikelyKnownLast puts messages behind the other ones without a row that may turn out to
// be known once they are fetched: where the server shows no headers, and gives each
// message another UID in each session, all look new. So a poll that fetches only some of
// what is due comes to the new ones. Of each size these are the first ones in the
// mailbox, as many as there are rows whose messages are not listed. If that is all of
// them, each poll begins at another one, which draw decides. seen are the fingerprints
// of headers that the server has shown, by number: these have been compared.
func LikelyKnownLast(v *View, due []Candidate, seen map[int]string, draw uint64) {
	x := v.indexed()
	away, all := make(map[int64]int), 0
	for i, k := range v.Known.All() {
		if !x.listed[i] && NotDeleted(k) && k.Fingerprint != "" {
			away[k.Size]++
			all++
		}
	}
	if all == 0 {
		return
	}
	known := make(map[int]bool) // by number
	for i, e := range v.Entries {
		if x.first[i] >= 0 {
			continue // it has a row
		}
		if e.Size < 0 && all > 0 || away[e.Size] > 0 {
			known[e.Number] = true
			away[e.Size]--
			all--
		}
	}
	end := slices.IndexFunc(due, Candidate.Tried)
	if end < 0 {
		end = len(due)
	}
	var others, likely []Candidate
	for _, c := range due[:end] {
		if c.Known.ID == 0 && known[c.Number] && seen[c.Number] == "" {
			likely = append(likely, c)
		} else {
			others = append(others, c)
		}
	}
	if len(likely) == 0 {
		return
	}
	if at := int(draw % uint64(len(likely))); len(others) == 0 {
		likely = slices.Concat(likely[at:], likely[:at])
	}
	copy(due, slices.Concat(others, likely))
}

// weave makes every tenth message the oldest that is left.
func weave(list []Candidate) {
	if len(list) < byAge {
		return
	}
	preferred := slices.Clone(list)
	oldest := make([]int32, len(list)) // places in preferred
	for i := range oldest {
		oldest[i] = int32(i)
	}
	slices.SortStableFunc(oldest, func(a, b int32) int { return cmp.Compare(preferred[a].Number, preferred[b].Number) })
	taken := make([]bool, len(list))
	next := 0
	for i := range list {
		var at int
		if i%byAge == byAge-1 {
			for taken[oldest[0]] {
				oldest = oldest[1:]
			}
			at = int(oldest[0])
		} else {
			for taken[next] {
				next++
			}
			at = next
		}
		taken[at], list[i] = true, preferred[at]
	}
}

// Choose returns what is fetched now of what is due, in its order: room messages at
// most. A tenth of them, but at least one of two, are those that failed before, so
// that new mail does not starve them.
func Choose(due []Candidate, room int) []Candidate {
	if room >= len(due) {
		return due
	}
	room = max(0, room)
	tried := slices.IndexFunc(due, Candidate.Tried)
	if tried < 0 || tried < room || room < 2 {
		return due[:room:room]
	}
	old := min(len(due)-tried, max(1, room/byAge))
	return slices.Concat(due[:room-old], due[tried:tried+old])
}
