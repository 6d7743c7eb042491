package web

import (
	"github.com/popferry/popferry/cmd/internal/talk"
)

// Mailboxes sets up mailboxes, and changes those that were set up so. The texts of
// errors are shown on the page.
type Mailboxes interface {
	// Offer returns what the form for a new mailbox asks. The error is why there is no
	// such form.
	Offer() (Offer, error)
	// Add begins to set up a mailbox.
	Add(NewMailbox) (*talk.Talk, error)
	// Names are the mailboxes that the page can change.
	Names() []string
	// Mailbox returns one of them.
	Mailbox(name string) (Mailbox, error)
	// Change makes a change, or begins to: the talk is nil if it is made already. The
	// revision is that of the mailbox as the user has seen it.
	Change(name string, c Change, revision string) (*talk.Talk, error)
}

// Offer is what the form for a new mailbox asks.
type Offer struct {
	First        bool     // there is no inbox yet
	Destinations []string // where the mail can go, the usual one first
}

// NewMailbox are the fields of the form.
type NewMailbox struct {
	Address string
	Forward string // name of a destination; "": the usual one

	// For the first mailbox.
	To       string // address of the inbox
	Protocol string // smtp, lmtp, imap; "": the best
	Server   string // of the inbox, HOST or HOST:PORT; "": is looked for
}

// Mailbox is one that the page can change.
type Mailbox struct {
	Name     string
	Username string
	Host     string
	File     string
	Enabled  bool
	SignsIn  bool   // by OAuth2; else with a password
	Revision string // of what its file says
}

// Change is what can be done with a mailbox.
type Change string

// The changes.
const (
	Test   Change = "test" // of its servers; nothing is changed
	Pause  Change = "pause"
	Resume Change = "resume"
	LogIn  Change = "login" // with another password, or a new sign-in
	Remove Change = "remove"
)
