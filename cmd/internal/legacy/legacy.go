package legacy

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// Setup is what the files of another program say.
type Setup struct {
	Accounts []Account
	Schedule time.Duration // between two polls; 0: it does not say
	Remarks  []Remark
}

// Account is a POP3 mailbox as the other program knew it.
type Account struct {
	Place
	Name     string // what the program called it; "": nothing
	Disabled bool
	Host     string
	Port     int // 0: what follows from TLS
	TLS      TLS
	Auth     string // a word of popferry's auth; "": any
	Username string
	Password Secret // "": the file has none
	Command  string // prints the password
	Leave    Leave
	MaxSize  int64         // octets; larger messages were left alone; 0: no limit
	Timeout  time.Duration // 0: it does not say
	Gap      time.Duration // between two polls, if it has one of its own
	Delivery Delivery
	Seen     Seen
}

// TLS is how connections were encrypted, in the words of package config.
type TLS struct {
	Mode       string
	CAFile     string
	Pin        string
	ServerName string
	Min        string
	CertFile   string
	KeyFile    string
}

// clear tells whether an account without TLS from the start may do without any:
// on this machine, if nothing is said of how to encrypt.
func (a *Account) clear() bool { return onThisMachine(a.Host) && a.TLS == TLS{} }

// Leave is what became of messages that were fetched.
type Leave struct {
	Keep bool
	Days int // after which they were deleted all the same; 0: never
}

// Delivery is where the mail went. Without a host it went by a way that
// popferry does not have.
type Delivery struct {
	Host     string // a name or address; for LMTP also unix:/path
	Port     int
	LMTP     bool
	Username string
	Password Secret
	To       string // one address; "": not to be told from the files
}

// Seen is which messages were fetched before.
type Seen struct {
	File    string   // "": none was found
	Missing string   // a file that is not there, and might have them
	UIDs    []string // raw octets, each once
	// Spellings are how the server may write some of the UIDs, where the program
	// has changed them.
	Spellings []string
}

// String tells how many messages were fetched.
func (s Seen) String() string {
	if len(s.UIDs) == 0 {
		return "no message is known to be fetched before"
	}
	return fmt.Sprintf("%s fetched before (%s)", messages(len(s.UIDs)), s.File)
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// Remark is what could not be carried over, why, and what to do.
type Remark struct {
	Place
	Text   string
	Record bool // it is about which messages were fetched
}

// String is the remark as a line.
func (r Remark) String() string { return fmt.Sprintf("%s: %s", r.Place, r.Text) }

// Place is where something is written.
type Place struct {
	File string
	Line int // 0: it stands in no line
}

// String is FILE:LINE.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Secret is a password. Whatever prints it writes ***.
type Secret string

// Format writes *** whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// Reveal is the password itself.
func (s Secret) Reveal() string { return string(s) }

func (s *Setup) remark(at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...)})
}

// remarkOnce remarks on what stands in the defaults of a file at the first
// account that has it.
func (s *Setup) remarkOnce(at Place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(s.Remarks, func(r Remark) bool { return r.File == at.File && r.Text == text }) {
		s.Remarks = append(s.Remarks, Remark{Place: at, Text: text})
	}
}

func (s *Setup) remarkRecord(at Place, format string, args ...any) {
	s.Remarks = append(s.Remarks, Remark{Place: at, Text: fmt.Sprintf(format, args...), Record: true})
}

// onThisMachine tells whether a host is the machine itself, where nothing goes
// over a network: the end of a tunnel, or a server of one's own.
func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// add appends UIDs that are not there yet.
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
