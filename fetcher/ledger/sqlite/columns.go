package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// The columns of messages and recipients. The functions below have the fields
// in the same order.
const (
	knownColumns = `m.id, m.uid, m.generation, m.state, m.size, m.print, m.attempts, m.next_attempt, m.forwarded_at, m.deleted_at,
		m.deletions, m.last_seen, m.cause_code, m.cause_text, m.spool`
	restColumns = `m.account, m.message_size, m.broken_at, m.trace, m.first_attempt, m.trace_lines, m.mark, m.doubt_since,
		m.message_id, m.header_from, m.header_subject, m.header_date, m.first_seen, m.refused_since, m.digest, m.chosen`

	// keyColumns are written only when they change.
	keyColumns = `account, uid, generation`
	putColumns = `state, size, print, attempts, next_attempt, forwarded_at, deleted_at,
		deletions, last_seen, cause_code, cause_text, message_size, broken_at, trace, first_attempt, trace_lines, mark, doubt_since, spool,
		message_id, header_from, header_subject, header_date, first_seen, refused_since, digest, chosen`
	putMarks = `?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?`

	// A message without recipients joins one row of NULLs.
	recipientColumns = `r.position IS NOT NULL, coalesce(r.address, ''), coalesce(r.state, 'sending'), coalesce(r.code, 0),
		coalesce(r.text, ''), coalesce(r.attempts, 0), r.next_attempt, coalesce(r.doubts, 0)`
)

// knownFields are the destinations of knownColumns.
func knownFields(k *ledger.Known) []any {
	return []any{&k.ID, (*octets)(&k.UID), (*number)(&k.Generation), (*state)(&k.State), &k.Size, &k.Fingerprint, (*number)(&k.Attempts),
		(*millis)(&k.NextAttempt), (*millis)(&k.ForwardedAt), (*millis)(&k.DeletedAt),
		(*number)(&k.Deletions), (*millis)(&k.MissingSince), &k.Cause.Code, &k.Cause.Text, &k.CopyFile}
}

// restFields are the destinations of restColumns.
func restFields(r *ledger.Record) []any {
	return []any{&r.Account, &r.MessageSize, &r.BrokenAt, &r.Trace, (*millis)(&r.FirstAttempt), &r.TraceLines, &r.Mark, (*millis)(&r.DoubtSince),
		&r.Excerpt.MessageID, &r.Excerpt.From, &r.Excerpt.Subject, &r.Excerpt.Date, (*millis)(&r.FirstSeen), (*millis)(&r.RefusedSince), &r.Digest, &r.Chosen}
}

// keyValues are the values for keyColumns.
func keyValues(account int64, r *ledger.Record) []any {
	return []any{account, octets(r.UID), r.Generation}
}

// putValues are the values for putColumns.
func putValues(r *ledger.Record) []any {
	return []any{state(r.State), r.Size, r.Fingerprint, r.Attempts,
		millis(r.NextAttempt), millis(r.ForwardedAt), millis(r.DeletedAt),
		r.Deletions, millis(r.MissingSince), r.Cause.Code, r.Cause.Text, r.MessageSize, r.BrokenAt, r.Trace, millis(r.FirstAttempt), r.TraceLines, r.Mark, millis(r.DoubtSince), r.CopyFile,
		r.Excerpt.MessageID, r.Excerpt.From, r.Excerpt.Subject, r.Excerpt.Date, millis(r.FirstSeen), millis(r.RefusedSince), r.Digest, r.Chosen}
}

// recipientFields are the destinations of recipientColumns; exists is false if
// the message has no recipient.
func recipientFields(exists *bool, r *ledger.Recipient) []any {
	return []any{exists, &r.Address, (*state)(&r.State), &r.Code, &r.Text, &r.Attempts, (*millis)(&r.NextAttempt), &r.Doubts}
}

// The types below convert between the ledger's fields and their columns: a
// pointer to a field is converted to one and passed to Scan, the field itself
// to Exec.

// millis is a time as Unix milliseconds; the zero time is NULL.
type millis time.Time

// Value implements driver.Valuer.
func (m millis) Value() (driver.Value, error) {
	if time.Time(m).IsZero() {
		return nil, nil
	}
	return time.Time(m).UnixMilli(), nil
}

// Scan implements sql.Scanner. Times are in UTC.
func (m *millis) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = millis{}
	case int64:
		*m = millis(time.UnixMilli(v).UTC())
	default:
		return fmt.Errorf("cannot read a time from %T", src)
	}
	return nil
}

// octets is a string as a BLOB, because it need not be UTF-8.
type octets string

// Value implements driver.Valuer. An empty string is an empty BLOB, not NULL.
func (o octets) Value() (driver.Value, error) {
	return append([]byte{}, o...), nil
}

// Scan implements sql.Scanner.
func (o *octets) Scan(src any) error {
	v, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("cannot read octets from %T", src)
	}
	*o = octets(v)
	return nil
}

// ids is a list of ids as one text; nil is an empty text.
type ids []int64

// Value implements driver.Valuer.
func (l ids) Value() (driver.Value, error) {
	var b []byte
	for i, id := range l {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(b), nil
}

// Scan implements sql.Scanner.
func (l *ids) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("cannot read a list of ids from %T", src)
	}
	*l = nil
	for word := range strings.FieldsSeq(text) {
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return fmt.Errorf("a list of ids: %w", err)
		}
		*l = append(*l, id)
	}
	return nil
}

// asJSON is a struct as a JSON text.
type asJSON[T any] struct{ v *T }

// Value implements driver.Valuer.
func (j asJSON[T]) Value() (driver.Value, error) {
	text, err := json.Marshal(j.v)
	return string(text), err
}

// Scan implements sql.Scanner.
func (j asJSON[T]) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("cannot read %T from %T", *j.v, src)
	}
	return json.Unmarshal([]byte(text), j.v)
}

// state is a state as its name.
type state ledger.State

// Value implements driver.Valuer. A state without a name is an error.
func (s state) Value() (driver.Value, error) {
	name := ledger.State(s).String()
	if _, err := ledger.ParseState(name); err != nil {
		return nil, err
	}
	return name, nil
}

// Scan implements sql.Scanner.
func (s *state) Scan(src any) error {
	name, ok := src.(string)
	if !ok {
		return fmt.Errorf("cannot read a state from %T", src)
	}
	parsed, err := ledger.ParseState(name)
	*s = state(parsed)
	return err
}

// number is an int. Without it, Scan would convert SQLite's int64 by way of a
// text.
type number int

// Scan implements sql.Scanner.
func (n *number) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("cannot read a number from %T", src)
	}
	*n = number(v)
	return nil
}
