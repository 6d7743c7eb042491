package pop3

import (
	"slices"
	"strings"
)

// Kind is what a refusal means for what to do next.
type Kind int

// The kinds of refusals.
const (
	KindOther       Kind = iota // not known
	KindCredentials             // user name, password or token are wrong
	KindLocked                  // another session has the mailbox
	KindTooOften                // logged in or downloaded too often
	KindTemporary               // the server is out of order for now
	KindPermanent               // stays so until somebody changes something
	KindGone                    // no such message
	KindProtocol                // the server does not know the command

	// The finer kinds, which only Error.Reason returns.
	KindPOPDisabled // POP3 is switched off for this mailbox
	KindAppPassword // only a password made for one program is accepted
	KindOAuthOnly   // only an OAuth2 token is accepted
	KindWebLogin    // a login in a browser has to come first
	KindBlocked     // the mailbox is locked, disabled or suspended
	KindNeedsTLS    // no password is accepted in clear
)

// kinds are the names of the kinds, and what each finer one is for Error.Kind.
var kinds = [...]struct {
	name string
	wide Kind
}{
	KindOther:       {"other", KindOther},
	KindCredentials: {"credentials", KindCredentials},
	KindLocked:      {"locked", KindLocked},
	KindTooOften:    {"too often", KindTooOften},
	KindTemporary:   {"temporary", KindTemporary},
	KindPermanent:   {"permanent", KindPermanent},
	KindGone:        {"gone", KindGone},
	KindProtocol:    {"protocol", KindProtocol},
	KindPOPDisabled: {"POP disabled", KindPermanent},
	KindAppPassword: {"app password", KindCredentials},
	KindOAuthOnly:   {"OAuth only", KindPermanent},
	KindWebLogin:    {"web login", KindPermanent},
	KindBlocked:     {"blocked", KindPermanent},
	KindNeedsTLS:    {"needs TLS", KindPermanent},
}

// String is the kind in one or two words.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return "other"
	}
	return kinds[k].name
}

// passing reports whether the refusal is for a reason that passes by itself.
func (e *Error) passing() bool {
	k := e.Kind()
	return k == KindTemporary || k == KindLocked || k == KindTooOften
}

// codes are the registered response codes (RFC 2449 section 8.1, RFC 3206
// section 4, RFC 6856 section 5).
var codes = map[string]Kind{
	"AUTH":        KindCredentials,
	"IN-USE":      KindLocked,
	"LOGIN-DELAY": KindTooOften,
	"SYS/TEMP":    KindTemporary,
	"SYS/PERM":    KindPermanent,
	"UTF8":        KindPermanent,
}

// Kind is what the refusal means: by its response code, which is certain, else by
// words that real servers use. A few words have precedence over the code,
// because servers are known to send the wrong one with them.
func (e *Error) Kind() Kind {
	text := strings.ToLower(e.words())
	if k, ok := lookUp(overrides, text); ok {
		return kinds[k].wide
	}
	if k, ok := codes[e.Code]; ok {
		return k
	}
	switch verb, _, _ := strings.Cut(e.Command, " "); verb {
	case "RETR", "TOP", "DELE", "UIDL", "LIST":
		if k, ok := lookUp(ofMessages, text); ok {
			return k
		}
	case "USER", "PASS", "APOP", "AUTH":
		if k, ok := lookUp(ofLogins, text); ok {
			return kinds[k].wide
		}
	}
	k, _ := lookUp(anywhere, text)
	return k
}

// unexplained reports whether a refusal gives no reason at all, not even in words
// that may mean many things.
func (e *Error) unexplained() bool {
	_, known := lookUp(ofLogins, strings.ToLower(e.words()))
	return e.Kind() == KindOther && !known
}

// Reason is the finer kind that the server's words give, whatever the command
// and the response code; KindOther if they give none. It is for what to tell
// the user: what a session does next depends on Kind.
func (e *Error) Reason() Kind {
	text, found := strings.ToLower(e.words()), KindOther
	for _, p := range slices.Concat(overrides, ofLogins) {
		fine := p.kind >= KindPOPDisabled
		if fine && (found == KindOther || p.kind < found) && strings.Contains(text, p.words) {
			found = p.kind // of several the first in the order of the constants
		}
	}
	return found
}
