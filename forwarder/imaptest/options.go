package imaptest

import "crypto/tls"

// Options say how a server behaves. The zero value is a server with IMAP4rev1 and
// nothing more, which lets everybody in.
type Options struct {
	// Address to listen at; default 127.0.0.1:0.
	Address string
	// TLS, if set, is used from the start (Implicit) or offered by STARTTLS.
	TLS      *tls.Config
	Implicit bool
	// Greeting is what it says first, without the "* "; default "OK ready".
	Greeting string
	// Caps are the capabilities behind IMAP4rev1 after a login; Before those before it.
	Caps, Before []string
	// Secret is the password or token to log in with; "": any.
	Secret string
	// Prefix and Delimiter of the folders' names, as NAMESPACE tells them; the
	// delimiter is "/" by default.
	Prefix, Delimiter string
	// Folders are there besides INBOX, by their names on the server, with their
	// attributes, as \Junk.
	Folders map[string]string
	// Merges: of messages with one Message-ID it keeps the body of the first, and
	// says OK to the others. All mail lies in the folder with \All, too.
	Merges bool
	// Newest is how many messages of a folder it shows, the newest ones; 0: all.
	Newest int
	// MaxSize is the largest message that it takes, in octets; 0: any. It refuses
	// others by TooBig; default "NO [TOOBIG] too big".
	MaxSize int64
	TooBig  string
	// Forgets: it says OK to messages and stores none.
	Forgets bool
	// Extended: it answers searches by ESEARCH.
	Extended bool
	// Deaf: it finds nothing by SEARCH.
	Deaf bool
	// Fault, if set, is asked at each command, and once more when a message has come.
	// It is called by one connection at a time.
	Fault func(Event) Fault
}

// Event is something at which a server can misbehave.
type Event struct {
	Connection int    // from 1
	Command    string // in upper case, as "UID FETCH"; "MESSAGE" when a message has come whole
	Args       []string
	Appends    int // APPEND commands so far, over all connections
}

// Fault is how. The zero value does nothing.
type Fault struct {
	Before string // lines to say first, as "* BYE shutting down"
	Reply  string // the answer instead of the right one, without the tag
	Store  bool   // of a message: it is stored nevertheless
	Stall  bool   // nothing more is said, and the connection stays open until Close
	Close  bool   // the connection is closed, after Before
}
