package provider

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// ForeignFrom is what a submission server does with a message whose From header
// is not an address of the user who is logged in.
type ForeignFrom string

// The values of Submission.ForeignFrom. Unknown is also the zero value's meaning.
const (
	Accepts  ForeignFrom = "accepts"  // and delivers it as it is
	Rewrites ForeignFrom = "rewrites" // puts the user's own address into From
	Refuses  ForeignFrom = "refuses"  // the message
	Unknown  ForeignFrom = "unknown"
)

// Submission is what is known of a provider's servers for SMTP (RFC 6409) as a
// destination of mail that others have written.
type Submission struct {
	ForeignFrom ForeignFrom `json:"foreign_from"`
	Reply       string      `json:"reply"`   // what the server says when it refuses; may be empty
	Source      string      `json:"source"`  // the URL of a page that says so
	Checked     string      `json:"checked"` // the day that was read, as 2006-01-02
}

// Damages reports whether mail from others is known not to arrive as it is.
func (s Submission) Damages() bool { return s.ForeignFrom == Rewrites || s.ForeignFrom == Refuses }

// ForGreeting returns the provider whose SMTP server greets in this way, under
// whatever name it was reached.
func ForGreeting(text string) (Provider, bool) {
	host, rest, _ := strings.Cut(text, " ")
	if host == "mx.google.com" && strings.HasSuffix(rest, "gsmtp") {
		return ByName("gmail")
	}
	return ForHost(host)
}

// Effect is what the server does with mail from others, as a verb and its object;
// "" if it takes such mail or that is not known.
func (s Submission) Effect() string {
	switch s.ForeignFrom {
	case Rewrites:
		return "replaces the From address of mail from others by your own"
	case Refuses:
		return "refuses mail from others: only your own addresses may be in From"
	case Accepts, Unknown:
	}
	return ""
}

// IMAPLimits is what the user or popferry has to know of a provider's IMAP
// servers beforehand. An empty field means "not known".
type IMAPLimits struct {
	Login       string   `json:"login"`        // as Provider.Login, if it differs
	AppendLimit int64    `json:"append_limit"` // octets of the largest message that can be stored
	DailyUpload int64    `json:"daily_upload"` // octets that can be stored in a day
	Enable      *Step    `json:"enable"`       // IMAP is off until it is switched on
	Note        string   `json:"note"`         // one sentence about anything else
	Sources     []string `json:"sources"`      // URLs of the pages with these facts
	Checked     string   `json:"checked"`      // the day they were checked, as 2006-01-02
}

// IMAPLogin is what to log in as by IMAP: LoginAddress, LoginLocalPart, or "" if
// that is not known.
func (p Provider) IMAPLogin() string { return cmp.Or(p.IMAPLimits.Login, p.Login) }

// PrefersIMAP reports whether mail that others have written should be stored by
// IMAP: there is a server for it, and submission is not known to take such mail.
func (p Provider) PrefersIMAP() bool {
	return len(p.IMAP) > 0 && p.Submission.ForeignFrom != Accepts
}

// HasIMAP reports whether a server is one for IMAP, by its name.
func (p Provider) HasIMAP(host string) bool {
	return slices.ContainsFunc(p.IMAP, func(s Server) bool { return strings.EqualFold(s.Host, host) })
}

// IMAPKeys are the keys of a destination that stores mail in the provider's
// mailboxes, in words; "" if it has no IMAP server.
func (p Provider) IMAPKeys() string {
	if len(p.IMAP) == 0 {
		return ""
	}
	keys := "protocol: imap with host: " + p.IMAP[0].Host
	if p.Auth == AuthOAuth2 {
		keys += " and oauth2"
	}
	return keys
}

// local reports whether a server is a program on the user's own machine, such as
// Proton's Bridge. Its address says nothing about whose it is.
func (s Server) local() bool {
	ip, err := netip.ParseAddr(s.Host)
	return err == nil && ip.IsLoopback()
}
