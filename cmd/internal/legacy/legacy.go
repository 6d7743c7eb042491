package legacy

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Setup is what the files of another program contain.
type Setup struct {
	Accounts []Account
	Schedule time.Duration // between two polls; 0: not set
	Remarks  []Remark
}

// Account is a POP3 mailbox as the other program knew it.
type Account struct {
	Place
	Name      string // "": none
	Disabled  bool
	Host      string
	Port      int // 0: the default of TLS
	TLS       TLS
	Route     Route
	Auth      string // a value of popferry's auth; "": any
	Username  string
	Password  Secret // "": not in the file
	Command   string // prints the password
	Leave     Leave
	MaxSize   int64         // octets; larger messages were skipped; 0: no limit
	Most      int           // messages a poll; 0: no limit
	Timeout   time.Duration // 0: not set
	Gap       time.Duration // between two polls, if not Schedule
	Delivery  Delivery
	Multidrop *Multidrop // nil: all mail goes to Delivery.To
	Filter    []string   // a command and its arguments, as popferry's filter
	Gate      []string   // the same where all mail goes one way: it only drops messages; nil: as Filter
	Folder    string     // for its mail, where the destination has folders
	Seen      Seen
}

// unrecorded reports whether fetched mail stayed on the server, and no record says which
// of it was fetched.
func (a *Account) unrecorded() bool {
	return a.Leave.Keep && a.Seen.File == "" && len(a.Seen.UIDs) == 0
}

// TLS is how connections were encrypted, in the terms of package config.
type TLS struct {
	Mode       string
	CAFile     string
	Pin        string
	ServerName string
	Min        string
	CertFile   string
	KeyFile    string
}

// clear reports whether an account without implicit TLS may stay unencrypted: on
// this machine, if no TLS option is set.
func (a *Account) clear() bool { return onThisMachine(a.Host) && a.TLS == TLS{} }

// Leave says whether fetched messages stayed on the server.
type Leave struct {
	Keep bool
	Days int // after which they were deleted; 0: never
}

// Delivery is where the mail went. Without a host, it went in a way that popferry
// does not support.
type Delivery struct {
	Host     string // a name or address; for LMTP also unix:/path
	Port     int
	LMTP     bool
	Maildir  string // a folder of this machine, instead of a host
	Gmail    bool   // the inbox of a Gmail user, who is not known from the files
	Username string
	Password Secret
	Command  string // that mail was sent through, as Route.Command
	To       string // one address; "": not known from the files
}

// Seen has the messages that were fetched before.
type Seen struct {
	File    string   // the record; "": none was found
	Missing string   // the record that was looked for and not found
	UIDs    []string // raw octets, each once
	// Spellings are other ways in which the server may write some of the UIDs,
	// because the program has changed them.
	Spellings []string
}

// String says how many messages were fetched.
func (s Seen) String() string {
	if len(s.UIDs) == 0 {
		return "no messages are known to have been fetched before"
	}
	return fmt.Sprintf("%s fetched before (%s)", terminal.Count(len(s.UIDs), "message"), s.File)
}

// Remark says what could not be carried over, why, and what to do.
type Remark struct {
	Place
	Text    string
	Record  bool // it is about the record of fetched messages
	Todo    bool // nothing is lost, but the user has something to do
	Account int  // one more than its index; 0: of no account alone
	settled bool // Account is known
	about   topic
	way     *way // where the mail goes, which ends the line; nil: it is not about that
}

// topic is what a remark is about that the user can choose otherwise.
type topic int

const (
	ofSorting topic = iota + 1 // who gets which mail of a mailbox
	ofServer                   // the server that mail went to
)

// nothingToDo ends a remark on what makes no difference.
const nothingToDo = "; nothing to do"

// idle reports whether a remark asks nothing of the user.
func (r Remark) idle() bool { return strings.HasSuffix(r.Text, nothingToDo) }

// String returns the remark as one line.
func (r Remark) String() string {
	if r.way != nil {
		return fmt.Sprintf("%s: %s; %s", r.Place, r.Text, r.way)
	}
	return fmt.Sprintf("%s: %s", r.Place, r.Text)
}

// Place is a position in a file.
type Place struct {
	File string
	Line int // 0: the file as a whole
}

// String returns FILE:LINE.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Secret is a password that is printed as ***.
type Secret string

// Format writes *** whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// Reveal returns the password.
func (s Secret) Reveal() string { return string(s) }

func (s *Setup) remark(at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...)})
}

// remarkOnce adds a remark unless the file has the same one already: defaults
// apply to several accounts, and then it is of none alone.
func (s *Setup) remarkOnce(at Place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	i := slices.IndexFunc(s.Remarks, func(r Remark) bool { return r.File == at.File && r.Text == text })
	s.addOrShare(i, Remark{Place: at, Text: text})
}

// remarkShared adds a remark unless it is there already, because several accounts have
// inherited the line.
func (s *Setup) remarkShared(at Place, text string) {
	i := slices.IndexFunc(s.Remarks, func(r Remark) bool { return r.Place == at && r.Text == text })
	s.addOrShare(i, Remark{Place: at, Text: text})
}

// addOrShare adds a remark, unless it is there already at an index from 0 on.
func (s *Setup) addOrShare(i int, r Remark) {
	if i < 0 {
		s.Remarks = append(s.Remarks, r)
		return
	}
	if s.Remarks[i].settled { // else it is of the account that is being read
		s.Remarks[i].Account = 0
	}
}

// remarkAbout adds a remark that is only true if the user does not choose otherwise.
func (s *Setup) remarkAbout(about topic, at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...), about: about})
}

// remarkOn adds a remark on an account, by its index.
func (s *Setup) remarkOn(account int, format string, args ...any) {
	s.remark(s.Accounts[account].Place, format, args...)
	s.assign(len(s.Remarks)-1, account)
}

// todo adds a remark on what the user has to do.
func (s *Setup) todo(at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...), Todo: true})
}

func (s *Setup) remarkRecord(at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...), Record: true})
}

// assign says whose the remarks from an index on are: an index of Accounts, or -1 for no
// account alone.
func (s *Setup) assign(from, account int) {
	for i := from; i < len(s.Remarks); i++ {
		if r := &s.Remarks[i]; !r.settled {
			r.Account, r.settled = account+1, true
		}
	}
}

// assignLines says whose the remarks on these lines are, as assign does.
func (s *Setup) assignLines(file string, from, to, account int) {
	for i := range s.Remarks {
		if r := &s.Remarks[i]; !r.settled && r.File == file && r.Line >= from && r.Line < to {
			r.Account, r.settled = account+1, true
		}
	}
}

// onThisMachine reports whether a host is this machine, so that nothing crosses a
// network: a local server or the end of a tunnel.
func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// add appends UIDs that are not in the list yet.
func (s *Seen) add(uids ...string) {
	known := make(map[string]bool, len(s.UIDs))
	for _, u := range s.UIDs {
		known[u] = true
	}
	for _, u := range uids {
		if u != "" && !known[u] {
			known[u] = true
			s.UIDs = append(s.UIDs, u)
		}
	}
}
