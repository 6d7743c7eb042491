package forwarder

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrCrowded, as the cause of Unusable: other processes have as many connections with
// the server as there may be. The server was not asked, and is not at fault.
var ErrCrowded = errors.New("other processes have all connections with the destination that there may be")

// Kind is how a transaction ended for one recipient.
type Kind uint8

const (
	// Accepted: the server answered 2xx to the whole message for this
	// recipient. Responsibility has moved (RFC 5321 6.1).
	Accepted Kind = iota + 1
	// Refused: the server answered 4xx or 5xx, as in Stage, Code, Enhanced and
	// Text.
	Refused
	// Broken: the connection ended, or the server broke the protocol, before the
	// final dot, or the last octet of a literal, was sent. The message was not
	// delivered.
	Broken
	// InDoubt: that was sent, and no whole reply to it was read. The message may have
	// been delivered or not (RFC 1047).
	InDoubt
	// Unusable: no session could be had: name, connection, TLS, greeting, EHLO
	// or AUTH failed. Nothing was said about the message.
	Unusable
	// Impossible: the server's EHLO reply rules this message out (SIZE,
	// 8BITMIME, SMTPUTF8, CHUNKING), or its capabilities do (APPENDLIMIT, BINARY), or
	// its envelope cannot be written. Nothing was sent.
	Impossible
	// Replaced: the server accepted the message, and kept another one with the same
	// Message-ID instead. The message was not delivered.
	Replaced
)

var kinds = [...]string{Accepted: "accepted", Refused: "refused", Broken: "broken", InDoubt: "in doubt", Unusable: "unusable", Impossible: "impossible", Replaced: "replaced"}

// String names the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kinds) && kinds[k] != "" {
		return kinds[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Stage is how far a session or transaction got.
type Stage uint8

// The stages in the order in which a session goes through them.
const (
	StageFolder Stage = iota + 1 // a folder of this machine, instead of a connection
	StageDial
	StageTLS
	StageGreeting
	StageHello
	StageAuth
	StageMail
	StageRcpt // a recipient, or the folder of an IMAP server
	StageData // DATA, or APPEND up to the server's go-ahead
	StageBody // between the go-ahead and the last octet
	StageDot  // the final dot, or the last octet of a literal, and the reply to it
)

var stages = [...]string{StageFolder: "folder", StageDial: "dial", StageTLS: "tls", StageGreeting: "greeting", StageHello: "ehlo", StageAuth: "auth",
	StageMail: "mail", StageRcpt: "rcpt", StageData: "data", StageBody: "body", StageDot: "dot"}

// String names the stage in lower case, as it is logged.
func (s Stage) String() string {
	if int(s) < len(stages) && stages[s] != "" {
		return stages[s]
	}
	return fmt.Sprintf("stage %d", uint8(s))
}

// EnhancedCode is an enhanced status code (RFC 3463). The zero value means that
// there was none.
type EnhancedCode [3]int

// String is the code with dots, "" if there was none.
func (e EnhancedCode) String() string {
	if e == (EnhancedCode{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}

// Outcome is the result of a transaction for one recipient. Protocols without
// these codes translate theirs; Text keeps what the server said.
type Outcome struct {
	Recipient string
	Kind      Kind
	Stage     Stage        // where it ended; StageDot when accepted
	Code      int          // the reply's code, 0 if there was no reply
	Enhanced  EnhancedCode // if the reply had one
	Text      string       // the reply's text without codes, line ends as spaces
	Token     bool         // at StageAuth: an OAuth2 access token was refused
	Err       error        // the cause, if it was not a reply; of Accepted: what went wrong afterwards
	// RetryAfter is how long the server asks to wait; 0: it does not say.
	RetryAfter time.Duration
	// Translated: the server has no such codes and has said only Text. Those of
	// StageRcpt are about a folder then.
	Translated bool

	said *string // the reply's text as the server has it; nil: as in Text
}

// Shown is the outcome with what may be shown of its text, in which a secret can be
// hidden. The predicates still read the words of the server: a password may be one
// of them.
func (o Outcome) Shown(text string) Outcome {
	if text != o.Text {
		said := o.Text
		o.Text, o.said = text, &said
	}
	return o
}

// Reply is the server's reply in one line, or the error if there was none. Codes that
// the server has not said are left out.
func (o Outcome) Reply() string {
	if o.Translated && o.Code != 0 && o.Text != "" {
		return o.Text
	}
	if o.Code == 0 {
		if o.Err != nil {
			return o.Err.Error()
		}
		return ""
	}
	parts := []string{fmt.Sprint(o.Code)}
	if e := o.Enhanced.String(); e != "" {
		parts = append(parts, e)
	}
	if o.Text != "" {
		parts = append(parts, o.Text)
	}
	return strings.Join(parts, " ")
}
