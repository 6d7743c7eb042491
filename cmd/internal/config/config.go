package config

import (
	"log/slog"
	"time"
)

// Words of the configuration that code asks for.
const (
	TLSImplicit = "implicit" // TLS from the first octet
	TLSStart    = "starttls" // a plain connection that is upgraded
	TLSNone     = "none"     // no encryption

	ProtocolSMTP = "smtp"
	ProtocolLMTP = "lmtp"

	FirstRunAll = "all" // what is in the mailbox at the first poll is forwarded too
	FirstRunNew = "new" // it is only noted

	// RejectHold, RejectWrap and RejectQuarantine are what becomes of mail that
	// is refused for good.
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

// Config is a checked configuration. Every default is filled in and every
// path is relative to the working directory or absolute.
type Config struct {
	Path        string // the file it was read from
	State       string // the ledger's file
	StateCreate bool   // whether a ledger that is missing may be made
	Schedule    string // cron expression or descriptor
	Concurrency int    // accounts polled at once
	PerHost     int    // sessions to one POP3 host at once
	Listen      string // host:port of the status page; empty: none
	Web         Web
	Notify      Notify
	Spool       Spool
	Log         Log
	Accounts    []Account     // in the order of the files, those that are not enabled too
	Forward     []Destination // at least one
	// Files are those that it was read from, and those with secrets and
	// certificates that it names; Patterns are those of the files it includes.
	Files    []string
	Patterns []string
	// Warnings are for a person to read, one line each, as FILE:LINE: KEY: text.
	Warnings []string
}

// Web is for the status page.
type Web struct {
	Password Secret // allows its buttons; zero: none are shown
}

// Notify is for mail about accounts and messages that need a person.
type Notify struct {
	To    []string // empty: no such mail
	After time.Duration
}

// Spool is where messages wait between their two servers.
type Spool struct {
	Dir    string
	Memory int64 // octets of small messages held in memory, all together
}

// Log is how the program logs.
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
	Auth     string        // auto or the name of a mechanism
	Timeout  time.Duration // for each read and write
}

// TLS is how connections to a server are encrypted.
type TLS struct {
	Mode       string // TLSImplicit, TLSStart or TLSNone
	CAFile     string // PEM; roots beside the system's
	Pin        string // sha256:HEX of the server's certificate, instead of a chain
	ServerName string // default: the host
	Min        string // "1.0" to "1.3"
	CertFile   string // PEM; client certificate
	KeyFile    string // PEM; its key
}

// Account is a POP3 mailbox. Forward, To, From and Schedule are those in
// effect, from the destination and the global schedule where the account has
// none of its own.
type Account struct {
	Name     string
	Enabled  bool
	Provider string // name of a preset; empty: none is named
	Server
	RETRHides   bool // the server is known not to list again what was retrieved
	Schedule    string
	MinInterval time.Duration // never more often, whoever asks
	Leave       Leave
	FirstRun    string // FirstRunAll or FirstRunNew
	MaxSize     int64  // octets; 0: no limit
	Forward     string // name of a destination
	To          []string
	From        string // address, SenderOriginal or SenderNull
	File        string // where it is written
	Line        int
}

// Leave is what becomes of messages that were forwarded.
type Leave struct {
	Keep bool          // leave them on the server
	For  time.Duration // how long; 0: for ever
}

// Destination is an SMTP or LMTP server. To and From are those that accounts
// without their own use; To can be empty if all have their own.
type Destination struct {
	Name string
	Server
	Protocol      string // ProtocolSMTP or ProtocolLMTP
	Helo          string // empty: the host's name
	From          string // as Account.From; empty only where To is too
	To            []string
	Connections   int    // at most, at once
	InFlight      int    // transactions sent and not yet answered, at most
	OnReject      string // hold, wrap or quarantine
	QuarantineDir string
	File          string // where it is written
	Line          int
}
