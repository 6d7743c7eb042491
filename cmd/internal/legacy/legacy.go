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
	Seen      Seen
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
	Text   string
	Record bool // it is about the record of fetched messages
}

// String returns the remark as one line.
func (r Remark) String() string { return fmt.Sprintf("%s: %s", r.Place, r.Text) }

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
// apply to several accounts.
func (s *Setup) remarkOnce(at Place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(s.Remarks, func(r Remark) bool { return r.File == at.File && r.Text == text }) {
		s.Remarks = append(s.Remarks, Remark{Place: at, Text: text})
	}
}

func (s *Setup) remarkRecord(at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...), Record: true})
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
