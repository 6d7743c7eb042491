package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/popferry/popferry/fetcher/ledger"
)

// The columns of messages. The functions below have the fields in the same order.
const (
	knownColumns = `m.id, m.uid, m.generation, m.state, m.size, m.print, m.attempts, m.next_attempt, m.forwarded_at, m.deleted_at,
		m.deletions, m.missing_since, m.cause_code, m.cause_text, m.copy`
	restColumns = `m.account, m.message_size, m.broken_at, m.trace, m.first_attempt, m.trace_lines, m.mark, m.doubt_since,
		m.message_id, m.header_from, m.header_subject, m.header_date, m.first_seen, m.refused_since, m.digest, m.recipients, m.chosen`

	putColumns = `account, uid, generation, state, size, print, attempts, next_attempt, forwarded_at, deleted_at,
		deletions, missing_since, cause_code, cause_text, copy, message_size, broken_at, trace, first_attempt, trace_lines, mark, doubt_since,
		message_id, header_from, header_subject, header_date, first_seen, refused_since, digest, recipients, chosen`
	putMarks = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31`
)

// knownFields are the destinations of knownColumns.
func knownFields(k *ledger.Known) []any {
	return []any{&k.ID, (*octets)(&k.UID), &k.Generation, (*state)(&k.State), &k.Size, (*octets)(&k.Fingerprint), &k.Attempts,
		(*moment)(&k.NextAttempt), (*moment)(&k.ForwardedAt), (*moment)(&k.DeletedAt),
		&k.Deletions, (*moment)(&k.MissingSince), &k.Cause.Code, &k.Cause.Text, &k.CopyFile}
}

// recordFields are the destinations of knownColumns and restColumns.
func recordFields(r *ledger.Record, to *recipients) []any {
	return append(knownFields(&r.Known), &r.Account, &r.MessageSize, &r.BrokenAt, &r.Trace, (*moment)(&r.FirstAttempt), (*octets)(&r.TraceLines), (*octets)(&r.Mark), (*moment)(&r.DoubtSince),
		&r.Excerpt.MessageID, &r.Excerpt.From, &r.Excerpt.Subject, &r.Excerpt.Date, (*moment)(&r.FirstSeen), (*moment)(&r.RefusedSince), &r.Digest, to, &r.Chosen)
}

// putValues are the values for putColumns. A state without a name is an error.
func putValues(account int64, r *ledger.Record) ([]any, error) {
	to, err := toRecipients(r.Recipients)
	if err != nil {
		return nil, err
	}
	if err := checkState(r.State); err != nil {
		return nil, err
	}
	return []any{account, octets(r.UID), r.Generation, state(r.State), r.Size, octets(r.Fingerprint), r.Attempts,
		moment(r.NextAttempt), moment(r.ForwardedAt), moment(r.DeletedAt),
		r.Deletions, moment(r.MissingSince), text(r.Cause.Code), text(r.Cause.Text), text(r.CopyFile), r.MessageSize, r.BrokenAt, text(r.Trace), moment(r.FirstAttempt), octets(r.TraceLines), octets(r.Mark), moment(r.DoubtSince),
		text(r.Excerpt.MessageID), text(r.Excerpt.From), text(r.Excerpt.Subject), text(r.Excerpt.Date), moment(r.FirstSeen), moment(r.RefusedSince), text(r.Digest), to, text(r.Chosen)}, nil
}

// recipients are those of a message as JSON. The names never change.
type recipients []recipient

type recipient struct {
	Address     string    `json:"address"`
	State       string    `json:"state"`
	Code        int       `json:"code,omitempty"`
	Text        string    `json:"text,omitempty"`
	Attempts    int       `json:"attempts,omitempty"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	Doubts      int       `json:"doubts,omitempty"`
}

func toRecipients(list []ledger.Recipient) (recipients, error) {
	out := make(recipients, len(list))
	for i, r := range list {
		if err := checkState(r.State); err != nil {
			return nil, fmt.Errorf("recipient %s: %w", r.Address, err)
		}
		out[i] = recipient{r.Address, r.State.String(), r.Code, r.Text, r.Attempts, exact(r.NextAttempt), r.Doubts}
	}
	return out, nil
}

func (r recipients) ledger() (list []ledger.Recipient, err error) {
	for _, from := range r {
		s, err := ledger.ParseState(from.State)
		if err != nil {
			return nil, fmt.Errorf("recipient %s: %w", from.Address, err)
		}
		list = append(list, ledger.Recipient{Address: from.Address, State: s, Code: from.Code, Text: from.Text, Attempts: from.Attempts, NextAttempt: from.NextAttempt, Doubts: from.Doubts})
	}
	return list, nil
}

// The types below convert between the ledger's fields and their columns: a
// pointer to a field is converted to one and scanned, the field itself written.

// moment is a time, in UTC and to the millisecond; the zero time is NULL.
type moment time.Time

// exact is a time as it is written.
func exact(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// TimestamptzValue implements pgtype.TimestamptzValuer.
func (m moment) TimestamptzValue() (pgtype.Timestamptz, error) {
	return pgtype.Timestamptz{Time: exact(time.Time(m)), Valid: !time.Time(m).IsZero()}, nil
}

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (m *moment) ScanTimestamptz(v pgtype.Timestamptz) error {
	switch {
	case !v.Valid:
		*m = moment{}
	case v.InfinityModifier != pgtype.Finite:
		return errors.New("a time in the ledger is infinite")
	default:
		*m = moment(v.Time.UTC())
	}
	return nil
}

// octets is a string that need not be UTF-8.
type octets string

// BytesValue implements pgtype.BytesValuer. An empty string is not NULL.
func (o octets) BytesValue() ([]byte, error) { return append([]byte{}, o...), nil }

// ScanBytes implements pgtype.BytesScanner.
func (o *octets) ScanBytes(v []byte) error {
	*o = octets(v)
	return nil
}

// text is a string that may come from a server, and is only shown: what PostgreSQL
// cannot hold in a text becomes U+FFFD.
type text string

// TextValue implements pgtype.TextValuer.
func (t text) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: strings.ToValidUTF8(strings.ReplaceAll(string(t), "\x00", "\uFFFD"), "\uFFFD"), Valid: true}, nil
}

// state is a state as its name.
type state ledger.State

func checkState(s ledger.State) error {
	_, err := ledger.ParseState(s.String())
	return err
}

// TextValue implements pgtype.TextValuer.
func (s state) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: ledger.State(s).String(), Valid: true}, nil
}

// ScanText implements pgtype.TextScanner.
func (s *state) ScanText(v pgtype.Text) error {
	parsed, err := ledger.ParseState(v.String)
	*s = state(parsed)
	return err
}

// hash is the key of what has several long names.
func hash(names ...string) octets {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return octets(sum[:])
}
