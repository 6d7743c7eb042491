package provider

import (
	"net"
	"strconv"
	"time"
)

// The values of Server.TLS, as in the configuration.
const (
	TLSImplicit = "implicit" // TLS from the first octet
	TLSStart    = "starttls" // a plain connection that is upgraded
)

// The values of Provider.Login.
const (
	LoginAddress   = "address"    // the whole address
	LoginLocalPart = "local part" // the part before the @
)

// AuthOAuth2 as Provider.Auth: only access tokens are accepted.
const AuthOAuth2 = "xoauth2"

// Provider is one provider of mailboxes.
type Provider struct {
	Name  string `json:"name"`  // as `provider:` in the configuration
	Title string `json:"title"` // as users know it
	// HostedBy is the name of the provider whose servers it uses; empty: its own.
	HostedBy string   `json:"hosted_by"`
	Domains  []string `json:"domains"` // of its addresses
	MX       []string `json:"mx"`      // a domain is hosted there if its MX is one of these or below it
	POP3     []Server `json:"pop3"`    // the best first; none: see Instead
	SMTP     []Server `json:"smtp"`    // for submission, the best first
	IMAP     []Server `json:"imap"`    // the best first; none: not known
	Login    string   `json:"login"`   // LoginAddress or LoginLocalPart; empty: not known
	Auth     string   `json:"auth"`    // AuthOAuth2; empty: passwords are accepted
	Quirks
	IMAPLimits IMAPLimits `json:"imap_limits"`
	Submission Submission `json:"submission"`
	Sources    []string   `json:"sources"` // URLs of the pages with the facts
	Checked    string     `json:"checked"` // the day they were checked, as 2006-01-02
}

// Server is one server of a provider.
type Server struct {
	Host string `json:"host"`
	Port int    `json:"port"`
	TLS  string `json:"tls"` // TLSImplicit or TLSStart
}

// Addr is the server's host:port.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Quirks are what the user or popferry has to know beforehand.
type Quirks struct {
	// IntervalMinutes is the least time between two logins; 0: not known.
	IntervalMinutes int `json:"interval_minutes"`
	// RETRHides: a message that was retrieved is not listed again.
	RETRHides bool `json:"retr_hides"`
	// AppPassword: only a password made for one program works, not the one for
	// the web page. If says when that is so.
	AppPassword *Step `json:"app_password"`
	// EnablePOP: POP3 is off until it is switched on.
	EnablePOP *Step `json:"enable_pop"`
	// Note is one sentence about anything else worth knowing.
	Note string `json:"note"`
	// Instead is what to do if there is no POP3.
	Instead string `json:"instead"`
}

// Step is something to do once on the provider's web pages.
type Step struct {
	If  string `json:"if"`  // when it has to be done, such as "two-factor authentication is on"; empty: always
	How string `json:"how"` // menus or conditions, one sentence; may be empty
	URL string `json:"url"` // the page for it, or the one that explains it; may be empty
}

// MinInterval is the least time between two logins; 0: not known.
func (q Quirks) MinInterval() time.Duration { return time.Duration(q.IntervalMinutes) * time.Minute }
