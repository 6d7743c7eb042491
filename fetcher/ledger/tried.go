package ledger

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Tried is with what the last try failed. Where that is another now, the back-off
// is over: a person has mended it, and looks whether it works. The JSON names are
// those of stored rows and never change.
type Tried struct {
	Settings string `json:"settings,omitempty"` // another text for other settings; "": not known
	// Secret marks the secret that was used. It is "" if there was none, or it did
	// not matter.
	Secret Mark `json:"secret,omitempty"`
	// Changes is how often in a row a change has ended the back-off.
	Changes int `json:"changes,omitempty"`
}

// maxChanges is how often in a row a change ends a back-off before its time: a
// secret that is another at each look must not make it void.
const maxChanges = 5

// Changed reports whether what there is now has not been tried. The secret is
// asked for only if that matters; one that cannot be read is no change.
func (t Tried) Changed(settings string, secret func() (string, error)) bool {
	switch {
	case t.Settings == "" || t.Changes >= maxChanges:
		return false
	case t.Settings != settings:
		return true
	case t.Secret == "" || secret == nil:
		return false
	}
	now, err := secret()
	return err == nil && !t.Secret.fits(now)
}

// Mark tells a secret from another one, and next to nothing else: it is a salt and
// two octets of a hash, which one in 65,536 secrets has. So not even a list of all
// likely passwords finds the right one by it.
type Mark string

// Unreadable marks that the secret could not be read.
const Unreadable Mark = "unreadable"

// MarkSecret marks a secret.
func MarkSecret(secret string) Mark {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	return mark(salt, secret)
}

func (m Mark) fits(secret string) bool {
	text, _, _ := strings.Cut(string(m), ":")
	salt, err := hex.DecodeString(text)
	return err == nil && mark(salt, secret) == m
}

// mark is slow enough to try no lists, and quick enough for thousands of accounts:
// about a millisecond.
func mark(salt []byte, secret string) Mark {
	const iterations = 4096
	key, err := pbkdf2.Key(sha256.New, secret, salt, iterations, sha256.Size)
	if err != nil {
		return "" // FIPS 140 does not allow the salt: then a secret is like any other
	}
	return Mark(hex.EncodeToString(salt) + ":" + hex.EncodeToString(key[:2]))
}

// Now is the time for what is written to a store and compared with it: that of the
// database where many processes share it (the store has a method Now), else this
// machine's.
func Now(s Store) time.Time {
	if shared, ok := s.(interface{ Now() time.Time }); ok {
		return shared.Now()
	}
	return time.Now()
}

// LongestWait is the longest back-off that popferry sets.
const LongestWait = 24 * time.Hour

// Waiting reports whether a back-off that ends at until is not over yet. One
// that is longer than LongestWait was noted under a wrong clock, and does not
// count.
func Waiting(now, until time.Time) bool {
	return now.Before(until) && !until.After(now.Add(LongestWait))
}

// earliest is before the first popferry: a time before it was noted under a wrong
// clock.
const earliest = 1577836800 // 2020-01-01 in UTC, Unix time

// Believable reports whether a time that was noted as that of an event can be
// right.
func Believable(noted, now time.Time) bool {
	return noted.Unix() >= earliest && !noted.After(now)
}

// Past returns a time that was noted as that of an event, or zero if it is in the
// future: then nobody knows when that was.
func Past(noted, now time.Time) time.Time {
	if noted.After(now) {
		return time.Time{}
	}
	return noted
}
