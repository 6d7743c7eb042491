package ledger

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// TokenKey names a sign-in by OAuth2: at which provider, as which client, for
// which mailbox.
type TokenKey struct {
	Provider string // the URL of its token endpoint, or its issuer
	Client   string // client_id
	User     string // in lower case
}

// Rotation says whether a provider gives a new refresh token with each renewal
// (RFC 6749 6). The numbers are those of stored rows and never change.
type Rotation int

const (
	// RotationUnknown: no renewal so far.
	RotationUnknown Rotation = 0
	// RotationNever: the refresh token outlived the renewals so far.
	RotationNever Rotation = 1
	// RotationSeen: it was replaced at least once, so that an older one may be taken
	// for a stolen one (RFC 9700 4.14.2).
	RotationSeen Rotation = 2
)

// Token is a sign-in by OAuth2: what the provider gave for it, and how its
// renewal goes. It never shows the tokens, whatever prints or encodes it. A zero
// time stands for never, or for not known.
type Token struct {
	TokenKey
	Access   string
	Refresh  string // "": the provider gave none, so that Access cannot be renewed
	URL      string // of the token endpoint: Refresh is sent nowhere else
	Header   bool   // the client's secret goes into a header there (RFC 6749 2.3.1)
	Scopes   string // that were asked for, with a space between two
	Signed   time.Time
	Obtained time.Time // when Access was
	Ends     time.Time // until when Access is valid
	Until    time.Time // when the provider ends the sign-in, if it says so
	Rotation Rotation
	// Asked is when a renewal began whose answer is not known: popferry was ended, or
	// the connection cut. Refresh may have been replaced by then.
	Asked   time.Time
	Refusal Refusal
	Told    time.Time // when the user was notified of Until
}

// Refusal is why a provider refused the last renewal of a sign-in; the zero value:
// it did not.
type Refusal struct {
	Cause
	At    time.Time
	Count int // of refusals in a row
}

// String names the sign-in, without its tokens.
func (t Token) String() string {
	return fmt.Sprintf("sign-in of %s at %s", t.User, t.Provider)
}

// Format writes String, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns String, for JSON and other encodings.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue returns String.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }
