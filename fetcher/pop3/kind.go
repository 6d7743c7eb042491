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
	return [...]string{"other", "credentials", "locked", "too often", "temporary", "permanent", "gone", "protocol"}[k]
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
// certain, else by words that real servers use.
func (e *Error) Kind() Kind {
	if k, ok := codes[e.Code]; ok {
		return k
	}
	text := strings.ToLower(e.Text)
	for _, p := range phrases {
		if strings.Contains(text, p.words) {
			return p.kind
		}
	}
	return KindOther
}
