package sqlite

import "github.com/popferry/popferry/fetcher/ledger"

// The columns of messages, recipients and their fields: each list in the
// same order as the functions below it.
const (
	knownColumns = `m.id, m.uid, m.generation, m.state, m.size, m.print, m.attempts, m.next_attempt, m.forwarded_at, m.deleted_at,
		m.deletions, m.last_seen, m.cause_code, m.cause_text, m.spool`
	restColumns = `m.account, m.message_size, m.broken_at, m.trace, m.first_attempt,
		m.message_id, m.header_from, m.header_subject, m.header_date, m.first_seen`

	// keyColumns are written with putColumns, but only where they change.
	keyColumns = `account, uid, generation`
	putColumns = `state, size, print, attempts, next_attempt, forwarded_at, deleted_at,
		deletions, last_seen, cause_code, cause_text, message_size, broken_at, trace, first_attempt, spool,
		message_id, header_from, header_subject, header_date, first_seen`
	putMarks = `?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?`

	// A message without recipients has one row of NULLs to join.
	recipientColumns = `r.position IS NOT NULL, coalesce(r.address, ''), coalesce(r.state, 'sending'), coalesce(r.code, 0),
		coalesce(r.text, ''), coalesce(r.attempts, 0), r.next_attempt`
)

// knownFields are where knownColumns are scanned to.
func knownFields(k *ledger.Known) []any {
	return []any{&k.ID, (*octets)(&k.UID), (*number)(&k.Generation), (*state)(&k.State), &k.Size, &k.Fingerprint, (*number)(&k.Attempts),
		(*millis)(&k.NextAttempt), (*millis)(&k.ForwardedAt), (*millis)(&k.DeletedAt),
		(*number)(&k.Deletions), (*millis)(&k.MissingSince), &k.Cause.Code, &k.Cause.Text, &k.CopyFile}
}

// restFields are where restColumns are scanned to.
func restFields(r *ledger.Record) []any {
	return []any{&r.Account, &r.MessageSize, &r.BrokenAt, &r.Trace, (*millis)(&r.FirstAttempt),
		&r.Excerpt.MessageID, &r.Excerpt.From, &r.Excerpt.Subject, &r.Excerpt.Date, (*millis)(&r.FirstSeen)}
}

// keyValues are the values for keyColumns.
func keyValues(account int64, r *ledger.Record) []any {
	return []any{account, octets(r.UID), r.Generation}
}

// putValues are the values for putColumns.
func putValues(r *ledger.Record) []any {
	return []any{state(r.State), r.Size, r.Fingerprint, r.Attempts,
		millis(r.NextAttempt), millis(r.ForwardedAt), millis(r.DeletedAt),
		r.Deletions, millis(r.MissingSince), r.Cause.Code, r.Cause.Text, r.MessageSize, r.BrokenAt, r.Trace, millis(r.FirstAttempt), r.CopyFile,
		r.Excerpt.MessageID, r.Excerpt.From, r.Excerpt.Subject, r.Excerpt.Date, millis(r.FirstSeen)}
}

// recipientFields are where recipientColumns are scanned to; there tells
// whether there is one.
func recipientFields(there *bool, r *ledger.Recipient) []any {
	return []any{there, &r.Address, (*state)(&r.State), &r.Code, &r.Text, &r.Attempts, (*millis)(&r.NextAttempt)}
}
