package fetcher

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// traceName is the field, in lower case, by which a receiver can tell a
// message that comes a second time, and by which we know our own.
const traceName = "x-popferry-trace"

// newTrace returns a name for a message that is sent for the first time.
func newTrace() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// mark is an account's own id in trace lines. It follows from the mailbox
// alone, so that a loop is seen even after the ledger was lost.
func mark(a Account) string {
	sum := sha256.Sum256([]byte(a.Source.Credentials.Username + "\n" + strings.ToLower(a.Source.Host)))
	return hex.EncodeToString(sum[:8])
}

// traceLines are what popferry puts on top of a message: a Received line
// (RFC 5321 4.4) and the trace field. They depend on the account, the trace
// and the date of the first attempt alone: not on the host, the version or the
// number of the attempt, so that every attempt sends the same octets.
func traceLines(a Account, trace string, first time.Time) []byte {
	with := "POP3"
	if a.Source.Secure {
		with = "POP3S"
	}
	return fmt.Appendf(nil, "Received: from %s (account %s)\r\n\tby popferry with %s id %s;\r\n\t%s\r\nX-Popferry-Trace: id=%s; account=%s\r\n",
		atom(a.Source.Host), atom(a.Name), with, trace, first.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"), trace, mark(a))
}

// atom keeps of a name what is safe in a header outside of quotes.
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
