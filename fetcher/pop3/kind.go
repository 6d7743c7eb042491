package pop3

import "strings"

// Kind is what a refusal means for what comes next.
type Kind int

// The kinds of refusals.
const (
	KindOther       Kind = iota // cannot be told
	KindCredentials             // user name, password or token are wrong
	KindLocked                  // another session has the mailbox
	KindTooOften                // logged in or downloaded too often
	KindTemporary               // the server is out of order for now
	KindPermanent               // stays so until a person mends it
	KindGone                    // no such message
	KindProtocol                // the server does not know the command
)

// String is the kind in one or two words.
func (k Kind) String() string {
	switch k {
	case KindCredentials:
		return "credentials"
	case KindLocked:
		return "locked"
	case KindTooOften:
		return "too often"
	case KindTemporary:
		return "temporary"
	case KindPermanent:
		return "permanent"
	case KindGone:
		return "gone"
	case KindProtocol:
		return "protocol"
	}
	return "other"
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

// Kind tells what the refusal means: by its response code, which says it for
// certain, else by words that real servers use. A few words go before the
// code, where servers are known to send the wrong one.
func (e *Error) Kind() Kind {
	text := strings.ToLower(e.Text)
	if k, ok := lookUp(overrides, text); ok {
		return k
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
			return k
		}
	}
	k, _ := lookUp(anywhere, text)
	return k
}
