package ledger

import (
	"slices"
	"strings"
	"time"
)

// Known is the part of a Record that a poll compares a listing with. A poll
// reads one for every message that is still remembered: see Rows.
type Known struct {
	ID          int64
	UID         string // raw octets as the server sent them
	Generation  int    // 0 for the first message under this UID, 1 for the next
	State       State
	Size        int64  // as listed by the server when last compared; -1: not listed
	Fingerprint string // from its header, "": not known
	Attempts    int
	// NextAttempt is when a Deferred or Unknown message is due. In one
	// that is to be deleted or compared, it is when its header is asked for again.
	NextAttempt time.Time
	ForwardedAt time.Time // zero: not forwarded
	DeletedAt   time.Time // zero: not deleted, or its deletion was never confirmed
	// Deletions is how often the server confirmed its deletion: more than once if
	// the message came back.
	Deletions int
	// MissingSince is zero while the message is listed, so that a poll without
	// news writes nothing. Otherwise it is when the message was last seen: the time
	// of the poll before the first listing without it, or of that listing if there
	// was none before. Once its deletion is confirmed it is that time, until a
	// listing shows it again.
	MissingSince time.Time
	// CopyFile is the name of the file that holds the retained copy of a message
	// that the server will not send a second time; "" for none.
	CopyFile string
	// Cause is the last failure; zero after a success.
	Cause Cause
}

// Record is all that is remembered of one message. Times are zero where
// nothing has happened yet; they are kept to the millisecond.
type Record struct {
	Known

	Account int64
	// MessageSize is the number of octets that were fetched; 0: the message was
	// never fetched whole.
	MessageSize int64
	// Digest is that of all that was fetched (32 hex digits of a SHA-256), where the
	// header is not enough to tell the message from others, or a copy was kept; else "".
	Digest string
	// BrokenAt is the number of octets that came before the last fetch broke off;
	// 0: none came, or the last fetch was whole.
	BrokenAt int64
	// Trace names this message in its trace line, the same in every attempt.
	Trace string
	// FirstAttempt is when it was first sent, which is the date of its trace line.
	FirstAttempt time.Time
	// TraceLines are the trace lines of the first attempt, until the message is
	// forwarded: they name the account and its server, which may be renamed, and
	// every attempt sends the same octets. "": not attempted yet.
	TraceLines string
	// Mark is where its destination can be asked for it (forwarder.Mark), "" if it
	// cannot, or if it is certain that the message has not arrived. It is the doubt:
	// it stays until the message is forwarded, whatever the state is meanwhile.
	Mark string
	// DoubtSince is when it was cut off with Mark, or, where popferry ended in the
	// middle, when it was first looked for; zero: not yet.
	DoubtSince time.Time
	// Chosen are the recipients of this message alone, one a line: by its header, or by
	// the account's filter. ChosenOwn: they are the account's own, and no filter is
	// asked again. "": nothing was decided yet. It stays until the message is forwarded,
	// so that each attempt has the same recipients.
	Chosen string
	// Excerpt is from the header. From, Subject and Date are kept only while the
	// user may have to decide: in Held and Deferred, and of messages that are too
	// large.
	Excerpt   Excerpt
	FirstSeen time.Time
	// RefusedSince is Refusals.Since, where the message was refused while its
	// destination refused one message after the other; zero: it was not.
	RefusedSince time.Time

	Recipients []Recipient
}

// ChosenOwn as Record.Chosen: the account's own recipients.
const ChosenOwn = "*"

// Excerpt is the part of a message's header that is shown, decoded as far as
// possible.
type Excerpt struct {
	MessageID string
	From      string
	Subject   string
	Date      string
}

// Recipient is the outcome of a message for one recipient.
type Recipient struct {
	Address     string
	State       State // Sending, Forwarded, Deferred, Held or Unknown
	Code        int   // of the last reply; 0: none
	Text        string
	Attempts    int
	NextAttempt time.Time
	// Doubts are the attempts in a row after which it was not known whether the
	// message had been accepted: no reply came, or popferry ended first. In state
	// Deferred they are those after which the message was refused without a reason.
	Doubts int
}

// MaxDoubts is the number of doubts in a row from which on a message is held: each
// time it may have arrived once more.
const MaxDoubts = 3

// The codes of causes that decide how a message is planned for.
const (
	CauseIncomplete = "incomplete" // it did not arrive whole
	CauseTooLarge   = "too_large"  // larger than max_message_size
	CauseFiltered   = "filtered"   // the account's filter dropped it
	// CauseInterrupted: popferry ended while the message was being sent.
	CauseInterrupted = "interrupted"
	// CauseKilled: so it did MaxDoubts times in a row, and the message is held.
	CauseKilled = "killed"
)

// Cause is a failure as it is shown: a code of the catalogue of causes, and what
// happened, with the server's reply. The zero value means none.
type Cause struct {
	Code string
	Text string
}

// MayHaveArrived reports whether some recipient has the message, or may have it.
func (r *Record) MayHaveArrived() bool {
	return r.Mark != "" || slices.ContainsFunc(r.Recipients, func(rc Recipient) bool { return rc.State == Forwarded || rc.State == Unknown })
}

// Worst is the state of a message with these recipients: the one of their states
// that needs most. Unknown comes before Deferred, because a message that may
// have arrived must be sent again with the same octets. It is Held when nothing
// is left to try, and Forwarded only if all have it. Without recipients, or with
// one in any other state, it is Unknown.
func Worst(rs []Recipient) State {
	clear := len(rs) > 0
	worst := Forwarded
	for _, r := range rs {
		switch {
		case r.State == Unknown, r.State == Deferred && worst != Unknown, r.State == Held && worst == Forwarded:
			worst = r.State
		case r.State != Forwarded && r.State != Deferred && r.State != Held:
			clear = false
		}
	}
	if !clear {
		return Unknown
	}
	return worst
}

// Known.Fingerprint has up to three parts: what the header says of the message, what it
// says of this copy's delivery, and what a field of the account's own says of that, with
// its name. Hyphens are between them. Rows of older versions have only the first.

// DeliveryFingerprint is the fingerprint of a message's header and of its delivery.
func DeliveryFingerprint(header, delivery string) string { return header + "-" + delivery }

// FieldFingerprint adds to that what the fields of one name say of the delivery.
func FieldFingerprint(fingerprint, name, value string) string {
	return fingerprint + "-" + strings.ToLower(name) + ":" + value
}

// HeaderFingerprint is the part of a fingerprint that all copies of a message share.
func HeaderFingerprint(fingerprint string) string {
	header, _, _ := strings.Cut(fingerprint, "-")
	return header
}

// HasDelivery reports whether a fingerprint says something of the message's delivery.
func HasDelivery(fingerprint string) bool { return strings.Contains(fingerprint, "-") }

// SameFingerprint reports whether two fingerprints may be those of one message. Of
// deliveries it says nothing where only one of them is known, nor of fields with two
// names: the configuration has changed since, say.
func SameFingerprint(a, b string) bool {
	headerA, a, knownA := strings.Cut(a, "-")
	headerB, b, knownB := strings.Cut(b, "-")
	if headerA != headerB || !knownA || !knownB {
		return headerA == headerB
	}
	deliveryA, a, _ := strings.Cut(a, "-")
	deliveryB, b, _ := strings.Cut(b, "-")
	if deliveryA != deliveryB {
		return false
	}
	nameA, valueA, _ := strings.Cut(a, ":")
	nameB, valueB, _ := strings.Cut(b, ":")
	return nameA != nameB || valueA == valueB
}
