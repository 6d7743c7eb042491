package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"
)

// Words of the configuration.
const (
	TLSImplicit = "implicit" // TLS from the first octet
	TLSStart    = "starttls" // a plain connection that is upgraded
	TLSNone     = "none"     // no encryption

	CiphersDefault = "default" // with forward secrecy alone
	CiphersLegacy  = "legacy"  // RSA key exchange too

	ProtocolSMTP    = "smtp"
	ProtocolLMTP    = "lmtp"
	ProtocolIMAP    = "imap"
	ProtocolMaildir = "maildir"

	// FolderInbox is the folder that each mailbox has (RFC 9051 5.1).
	FolderInbox = "INBOX"

	// TagNone, TagHeader and TagPlus say how the inbox can tell an account's mail: not
	// at all, by a field of its own, or by the recipient, leo+ACCOUNT@example.org.
	TagNone   = "none"
	TagHeader = "header"
	TagPlus   = "plus"

	FirstRunAll = "all" // forward also what is in the mailbox at the first poll
	FirstRunNew = "new" // only record it

	OrderListed      = "listed"       // messages in the order of the mailbox
	OrderNewestFirst = "newest_first" // the last first
	OrderSmallFirst  = "small_first"  // the smallest first

	// SpamAuto as a SpamFolder: the one that the destination has for junk.
	SpamAuto = "auto"

	// RejectHold, RejectWrap and RejectQuarantine say what to do with mail that
	// the destination refuses permanently.
	RejectHold       = "hold"
	RejectWrap       = "wrap"
	RejectQuarantine = "quarantine"

	// AuthExternal logs in by the TLS client certificate alone.
	AuthExternal = "external"

	// SenderOriginal as a From: the message's own Return-Path.
	SenderOriginal = "original"
	// SenderNull as a From: the null reverse-path.
	SenderNull = "<>"
)

// Config is a checked configuration. Every default is filled in. Paths are
// absolute, or relative to the working directory.
type Config struct {
	Path        string       // the file it was read from
	State       string       // the ledger's file, or the URL of its database
	Shared      *SharedState // nil: it is a file
	Local       string       // where the ledger would be if it was a file: see Beside
	StateCreate bool         // whether a missing ledger may be created
	Schedule    string       // cron expression or descriptor
	Concurrency int          // accounts polled at once
	PerHost     int          // sessions to one POP3 host at once
	Listen      string       // host:port of the status page; empty: none
	ListenTLS   ListenTLS
	Web         Web
	Notify      Notify
	Spool       Spool
	Log         Log
	Route       Route         // to servers without their own, and not on this machine
	Accounts    []Account     // in the order of the files, including disabled ones
	Forward     []Destination // at least one
	// Files are the files that it was read from, and the files with secrets and
	// certificates that it names. Patterns are those of include.
	Files    []string
	Patterns []string
	// Warnings have one line each, FILE:LINE: KEY: text.
	Warnings []string

	tokens *tokens // nil: no server has OAuth2
}

// ListenTLS is the certificate of the status page; the zero value is no TLS.
type ListenTLS struct {
	CertFile string // PEM; with the chain
	KeyFile  string // PEM
}

// Web configures the status page.
type Web struct {
	Password Secret // enables logging in and the buttons; zero: neither
	// Hosts are the names under which the page is reached, in lower case, besides
	// localhost and IP addresses.
	Hosts []string
	// TrustedProxies are believed in what they say about their clients.
	TrustedProxies []netip.Prefix
}

// Notify configures mail about accounts that fail and messages that wait.
type Notify struct {
	To      []string // empty: no such mail
	After   time.Duration
	Forward string // name of the destination that is tried first; empty: the account's
}

// Spool is where messages are stored between the two servers.
type Spool struct {
	Dir    string
	Memory int64 // octets of small messages kept in memory, in total
}

// Log configures logging.
type Log struct {
	Level  slog.Level
	Format string // text or json
}

// Server is what accounts and destinations have in common: where to connect
// and how to log in.
type Server struct {
	Host     string // name or address; for LMTP also unix:/path
	Port     int    // 0 for a unix socket
	TLS      TLS
	Username string
	Secret   Secret
	Token    bool          // Secret is an OAuth2 access token
	OAuth2   *OAuth2       // how Secret is got and renewed; nil: by other means
	Auth     string        // auto or the name of a mechanism
	Timeout  time.Duration // for each read and write
	Route    Route         // the effective one
}

// TLS is how connections to a server are encrypted.
type TLS struct {
	Mode       string // TLSImplicit, TLSStart or TLSNone
	CAFile     string // PEM; roots in addition to the system's
	Pin        string // sha256:HEX of the server's certificate, instead of a chain
	ServerName string // default: the host
	Min        string // "1.0" to "1.3"
	Ciphers    string // CiphersDefault or CiphersLegacy
	CertFile   string // PEM; client certificate
	KeyFile    string // PEM; its key
}

// Account is a POP3 mailbox. Forward, To, From, Folder and Schedule are the
// effective ones: those of the destination and the global schedule where the
// account has none.
type Account struct {
	Name     string
	Enabled  bool
	Provider string // name of a preset; empty: none
	Server
	RETRHides   bool // the server hides a message once it was retrieved
	Schedule    string
	MinInterval time.Duration // never poll more often
	Leave       Leave
	FirstRun    FirstRun
	MaxSize     int64  // octets; 0: no limit
	MaxMessages int    // a poll; 0: no limit
	Order       string // OrderListed, OrderNewestFirst or OrderSmallFirst
	MaxListing  int    // messages
	Forward     string // name of a destination
	Endpoint    string // the server of that destination
	To          []string
	From        string // address, SenderOriginal or SenderNull
	Folder      string // where To and From mean nothing (Destination.Stores), else empty
	Tag         string // TagNone, TagHeader or TagPlus; To has the tag already
	Multidrop   Multidrop
	Filter      Filter
	File        string // where it is defined
	Line        int
}

// FirstRun says which of the mail that is there at the first poll is forwarded. The
// zero value is all of it.
type FirstRun struct {
	New bool          // none: only what comes later
	Age time.Duration // only what is younger; 0: of any age
}

// Recipients are who gets an account's mail at its destination: the folder, where
// there is no envelope.
func (a Account) Recipients() []string {
	if a.Folder != "" {
		return []string{a.Folder}
	}
	return a.To
}

// Leave says how long forwarded messages stay on the server.
type Leave struct {
	Keep bool          // leave them on the server
	For  time.Duration // how long; 0: forever
}

// AbsPath is the path of the configuration wherever one is.
func (c *Config) AbsPath() string {
	if path, err := filepath.Abs(c.Path); err == nil {
		return path
	}
	return c.Path
}

// Destination returns the destination of that name.
func (c *Config) Destination(name string) (d Destination, ok bool) {
	for _, d := range c.Forward {
		if d.Name == name {
			return d, true
		}
	}
	return d, false
}

// Destination is where mail goes. To, From and Folder apply to accounts without
// their own; To can be empty if every account has its own.
type Destination struct {
	Name     string
	Provider string // name of a preset; empty: none
	Server
	Protocol      string // ProtocolSMTP, ProtocolLMTP, ProtocolIMAP or ProtocolMaildir
	Path          string // of the Maildir
	Folder        string // empty: Stores is false
	CreateFolder  bool   // a folder that is not there is made
	SpamFolder    string // for mail that its provider has marked as spam: a folder or SpamAuto; empty: none
	Helo          string // empty: the host's name
	From          string // as Account.From; empty only where To is too
	To            []string
	XForwardedTo  bool   // a field with the recipients is put on top of each message
	Connections   int    // at most, at once
	InFlight      int    // at most, transactions sent and not yet answered
	Rate          []Rate // all of them hold; empty: no limit
	OnReject      string // hold, wrap or quarantine
	QuarantineDir string
	File          string // where it is defined
	Line          int
}

// Stores reports whether mail is put into a folder, without an envelope: From and
// To mean nothing there.
func (d Destination) Stores() bool { return stores(d.Protocol) }

func stores(protocol string) bool { return protocol == ProtocolIMAP || protocol == ProtocolMaildir }

// Endpoint names where a destination is: its protocol, with host and port or the
// path of its Maildir.
func (d Destination) Endpoint() string {
	if d.Protocol == ProtocolMaildir {
		return d.Protocol + " " + d.Path
	}
	return fmt.Sprintf("%s %s:%d", d.Protocol, d.Host, d.Port)
}
