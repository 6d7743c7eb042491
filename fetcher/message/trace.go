package message

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// traceName is the trace field in lower case. By it a receiver can tell that a
// message comes a second time, and popferry that a message is in a loop.
const traceName = "x-popferry-trace"

// TraceID is the id of a message of a mailbox, by its UID, generation, fingerprint and
// digest, and by how many others have that fingerprint. So a ledger that has lost its row
// gives it the same id again.
func (o Origin) TraceID(uid string, generation, twins int, fingerprint, digest string) string {
	h := sha256.New()
	for _, part := range []string{o.mark(), uid, strconv.Itoa(generation), strconv.Itoa(twins), fingerprint, digest} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // never fails (hash.Hash)
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// NewTraceID returns an id for a message that comes from no mailbox.
func NewTraceID() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// Origin is the mailbox that a message came from, as its trace lines name it.
type Origin struct {
	Account  string // the account's name
	Host     string // the POP3 server as configured
	Username string
	Secure   bool // fetched over TLS

	Tagged      bool     // the account's name has a field of its own, for rules of the inbox
	ForwardedTo []string // the addresses in X-Forwarded-To; none: no such field
}

// mark is the mailbox's own id in trace lines. It depends on the mailbox alone,
// so a loop is noticed even after the ledger was lost.
func (o Origin) mark() string {
	sum := sha256.Sum256([]byte(o.Username + "\n" + strings.ToLower(o.Host)))
	return hex.EncodeToString(sum[:8])
}

// TraceLines are the lines that popferry puts on top of a message: a Received
// line (RFC 5321 4.4), what else was asked for, and the trace field. They depend
// only on the account, the trace id and the date of the first attempt. As a mailbox can be renamed, those
// of the first attempt are kept and sent in every attempt.
func (o Origin) TraceLines(id string, first time.Time) []byte {
	with := "POP3"
	if o.Secure {
		with = "POP3S"
	}
	return fmt.Appendf(nil, "Received: from %s (account %s)\r\n\tby popferry with %s id %s;\r\n\t%s\r\n%sX-Popferry-Trace: id=%s; account=%s\r\n",
		atom(o.Host), atom(o.Account), with, id, first.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"), o.fields(), id, o.mark())
}

// fields are those that were asked for.
func (o Origin) fields() string {
	var b strings.Builder
	if o.Tagged {
		fmt.Fprintf(&b, "%s: %s\r\n", forwarder.AccountField, phrase(o.Account))
	}
	// Only ASCII: raw 8-bit fields would make another message of it (RFC 6532).
	to := slices.DeleteFunc(slices.Clone(o.ForwardedTo), func(a string) bool {
		return strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' })
	})
	if len(to) > 0 {
		fmt.Fprintf(&b, "X-Forwarded-To: %s\r\n", strings.Join(to, ",\r\n\t"))
	}
	return b.String()
}

// phrase is a text as the value of a field: as it is if it is ASCII, else in encoded
// words (RFC 2047).
func phrase(s string) string {
	words := strings.Fields(mime.QEncoding.Encode("utf-8", strings.ToValidUTF8(s, "_")))
	const most = 80 // words: a line has fewer than 998 octets
	return strings.Join(words[:min(len(words), most)], "\r\n\t")
}

// atom replaces what is not safe in a header outside of quotes.
func atom(s string) string {
	const most = 120
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`()<>[];,"\`, r) {
			return '_'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
