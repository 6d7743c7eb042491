package ledger

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"strings"
	"time"
)

// Rows are what a poll compares a listing with: all rows of an account. A mailbox may
// have a million messages, so they are packed: one takes about 30 octets more than its
// UID and fingerprint, where a Known takes 230. They are read much more often than
// added to; to change a row, read them again from the ledger. A nil *Rows has none.
type Rows struct {
	pages  []string // that are full
	last   *strings.Builder
	places []uint64 // of each row: the page in the upper half, the octet in the lower
	causes []Cause  // rows of one kind have the same, one after the other
}

const (
	// pageSize is when a page is full, in octets. No more than a page is copied when
	// there are more rows.
	pageSize = 64 << 10
	// rowSize is what a row takes as a rule, in octets.
	rowSize = 80
)

// NewRows returns Rows with room for so many.
func NewRows(n int) *Rows {
	return &Rows{last: new(strings.Builder), places: make([]uint64, 0, n)}
}

// PackRows returns these rows in this order.
func PackRows(known ...Known) *Rows {
	r := NewRows(len(known))
	for i := range known {
		r.Add(&known[i])
	}
	return r
}

// The optional fields of a packed row, as bits.
const (
	hasGeneration = 1 << iota
	hasNextAttempt
	hasForwardedAt
	hasDeletedAt
	hasDeletions
	hasMissingSince
	hasCopyFile
	hasCause
)

// Add adds a row. Its times are kept to the millisecond, in UTC.
func (r *Rows) Add(k *Known) {
	if r.last.Len() >= pageSize {
		r.pages = append(r.pages, r.last.String())
		r.last = new(strings.Builder)
	}
	if r.last.Len() == 0 {
		r.last.Grow(min(pageSize+rowSize, rowSize*cap(r.places))) // most mailboxes are small
	}
	r.places = append(r.places, uint64(len(r.pages))<<32|uint64(r.last.Len()))
	var fields byte
	b := make([]byte, 0, 128)
	number := func(bit byte, n int64) {
		if n != 0 {
			fields |= bit
			b = binary.AppendVarint(b, n)
		}
	}
	moment := func(bit byte, t time.Time) {
		if !t.IsZero() {
			fields |= bit
			b = binary.AppendVarint(b, t.UnixMilli())
		}
	}
	number(hasGeneration, int64(k.Generation))
	moment(hasNextAttempt, k.NextAttempt)
	moment(hasForwardedAt, k.ForwardedAt)
	moment(hasDeletedAt, k.DeletedAt)
	number(hasDeletions, int64(k.Deletions))
	moment(hasMissingSince, k.MissingSince)
	if k.CopyFile != "" {
		fields |= hasCopyFile
		b = binary.AppendVarint(b, int64(len(k.CopyFile)))
		b = append(b, k.CopyFile...)
	}
	if k.Cause != (Cause{}) {
		fields |= hasCause
		b = binary.AppendVarint(b, int64(r.cause(k.Cause)))
	}
	r.write(k, fields, b)
}

// write writes what every row has, and then the optional fields.
func (r *Rows) write(k *Known, fields byte, optional []byte) {
	var b [2 * binary.MaxVarintLen64]byte
	text := func(s string) {
		r.last.Write(binary.AppendVarint(b[:0], int64(len(s))))
		r.last.WriteString(s)
	}
	text(k.UID)
	r.last.Write(binary.AppendVarint(b[:0], k.ID))
	r.last.WriteByte(byte(k.State))
	r.last.Write(binary.AppendVarint(binary.AppendVarint(b[:0], k.Size), int64(k.Attempts)))
	text(k.Fingerprint)
	r.last.WriteByte(fields)
	r.last.Write(optional)
}

// cause is the place of a cause.
func (r *Rows) cause(c Cause) int {
	if n := len(r.causes); n == 0 || r.causes[n-1] != c {
		r.causes = append(r.causes, c)
	}
	return len(r.causes) - 1
}

// Len is the number of rows.
func (r *Rows) Len() int {
	if r == nil {
		return 0
	}
	return len(r.places)
}

// All are the rows in their order.
func (r *Rows) All() iter.Seq2[int, Known] {
	return func(yield func(int, Known) bool) {
		for i := range r.Len() {
			if !yield(i, r.At(i)) {
				return
			}
		}
	}
}

// UID is the UID of the i-th row.
func (r *Rows) UID(i int) string {
	p := r.at(i)
	return p.text()
}

// At is the i-th row.
func (r *Rows) At(i int) (k Known) {
	p := r.at(i)
	k.UID, k.ID, k.State = p.text(), p.number(), State(p.octet())
	k.Size, k.Attempts, k.Fingerprint = p.number(), int(p.number()), p.text()
	fields := p.octet()
	if fields == 0 {
		return k
	}
	if fields&hasGeneration != 0 {
		k.Generation = int(p.number())
	}
	if fields&hasNextAttempt != 0 {
		k.NextAttempt = p.moment()
	}
	if fields&hasForwardedAt != 0 {
		k.ForwardedAt = p.moment()
	}
	if fields&hasDeletedAt != 0 {
		k.DeletedAt = p.moment()
	}
	if fields&hasDeletions != 0 {
		k.Deletions = int(p.number())
	}
	if fields&hasMissingSince != 0 {
		k.MissingSince = p.moment()
	}
	if fields&hasCopyFile != 0 {
		k.CopyFile = p.text()
	}
	if fields&hasCause != 0 {
		k.Cause = r.causes[p.number()]
	}
	return k
}

// SortByID puts the rows into the order in which they were first written.
func (r *Rows) SortByID() {
	id := func(place uint64) int64 {
		p := r.from(place)
		_ = p.text()
		return p.number()
	}
	slices.SortFunc(r.places, func(a, b uint64) int { return cmp.Compare(id(a), id(b)) })
}

// packed is what is left to read of a page.
type packed string

func (r *Rows) at(i int) packed { return r.from(r.places[i]) }

func (r *Rows) from(place uint64) packed {
	page, octet := int(place>>32), uint32(place)
	if page == len(r.pages) {
		return packed(r.last.String()[octet:])
	}
	return packed(r.pages[page][octet:])
}

func (p *packed) octet() byte {
	b := (*p)[0]
	*p = (*p)[1:]
	return b
}

// number reads what binary.AppendVarint wrote.
func (p *packed) number() int64 {
	var n uint64
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		b := (*p)[i]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			*p = (*p)[i+1:]
			return int64(n>>1) ^ -int64(n&1)
		}
	}
}

// text is a part of the page: it takes no memory of its own.
func (p *packed) text() string {
	n := p.number()
	s := string((*p)[:n])
	*p = (*p)[n:]
	return s
}

func (p *packed) moment() time.Time { return time.UnixMilli(p.number()).UTC() }
