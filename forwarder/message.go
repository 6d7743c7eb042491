package forwarder

import (
	"io"
	"time"
)

// TraceField is the field by which a message of popferry's is found again:
// "id=ID; account=MARK".
const TraceField = "X-Popferry-Trace"

// AccountField is the field with the account's name, which some want on top of a
// message for the rules of the inbox.
const AccountField = "X-Popferry-Account"

// JunkFolder as Message.Folder: the folder that the destination has for junk (RFC 6154),
// else the one that is called Junk.
const JunkFolder = `\Junk`

// Message is one message to deliver.
type Message struct {
	// Sender is the envelope sender without angle brackets; "" is the null
	// reverse-path "<>" (RFC 5321 4.5.5).
	Sender string
	// Recipients are the envelope recipients without angle brackets, at least
	// one, each only once.
	Recipients []string
	// Size is the number of octets of Body.
	Size int64
	// EightBit: Body has octets above 127, in its header or below (RFC 6152).
	EightBit bool
	// Strays is what Body has outside of its lines, as a StrayFinder finds it. A
	// FalseEnd that is not announced here is not sent either, but as a fault of the
	// caller's.
	Strays Strays
	// Body returns the message from its first octet, with CRLF line ends and
	// without dot-stuffing. It can be called again for another try.
	Body func() io.Reader

	// For destinations that file messages into a folder:

	// Folder is where it goes instead of the destination's folder; "": there.
	Folder string
	// Date is when it was received, for lists that are sorted by it; zero: now.
	Date time.Time
	// Trace is the id in its X-Popferry-Trace line, by which it is found again; "":
	// it has no such line.
	Trace string
	// MessageID is what its Message-ID line has, with angle brackets; "": it has
	// none.
	MessageID string
}
