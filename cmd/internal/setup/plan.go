package setup

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
)

// Answers are all that the files depend on.
type Answers struct {
	Target   Target
	Name     string // of the account
	Mailbox  Endpoint
	Inbox    Endpoint // if the configuration is new
	Leave    string   // as leave_on_server in the configuration; "": keep
	FirstRun string   // "": the default
	CAFile   string   // absolute; "": none

	// From is the envelope sender. To and Forward are what the account says of
	// its own if there is a configuration already. "": the default.
	From, To, Forward string

	Page          PageSettings // of a new configuration
	Proxy         string       // as in a new configuration; "": none
	ProxyPassword config.Secret
}

// Endpoint is a server that was tried, and how to log in there.
type Endpoint struct {
	Protocol discover.Protocol
	Address  discover.Address // of the mailbox or inbox
	Provider string           // name of its preset; "": none
	Server   discover.Server
	Pin      string // of its certificate, as tls_pin; "": none
	Username string
	Secret   config.Secret // zero: no login
	SignIn   *SignIn       // by OAuth2, of which Secret is the access token; nil: Secret is a password

	Maildir     string // the inbox, a folder of this machine: there is nothing else; "": a server
	MakeMaildir bool   // it is to be made
}

// File is a file to be written, for its owner only.
type File struct {
	Path     string
	Text     []byte        // or else
	Password config.Secret // and a line end
}

const (
	inboxName      = "inbox" // the name of the destination
	proxyName      = "proxy" // of the file with its password
	pageName       = "page"  // the same
	passwordEnding = ".password"
	clientEnding   = ".client" + passwordEnding // of the file with the secret of an OAuth2 client
	accountEnding  = ".yaml"
)

// writtenBy begins each file.
const writtenBy = "Written by popferry init on "

// Wrote reports whether a set-up has written this file.
func Wrote(text []byte) bool { return bytes.HasPrefix(text, []byte("# "+writtenBy)) }

// PasswordFile is the file with the password of an account whose own file is this one.
func PasswordFile(account string) string {
	return strings.TrimSuffix(account, accountEnding) + passwordEnding
}

// ClientSecretFile is the file with the secret of such an account's OAuth2 client.
func ClientSecretFile(account string) string {
	return strings.TrimSuffix(account, accountEnding) + clientEnding
}

// Plan returns the files that the answers lead to, in the order in which they
// have to be written: the one that makes the others count comes last.
func Plan(a Answers, today time.Time) ([]File, error) {
	head := writtenBy + today.Format(time.DateOnly) + "."
	account, err := config.Sketch{Head: head, Accounts: []config.Section{a.account()}}.YAML()
	if err != nil {
		return nil, err
	}
	var files []File
	files = append(files, a.Mailbox.secretFiles(a.Target.file(a.Name, passwordEnding))...)
	files = append(files, File{Path: a.Target.file(a.Name, accountEnding), Text: account})
	if a.Target.Existing != nil {
		return files, nil
	}
	if !a.Inbox.Secret.IsZero() {
		files = append(files, a.Inbox.secretFiles(filepath.Join(filepath.Dir(a.Target.Config), inboxName+passwordEnding))...)
	}
	settings := config.Section{{Key: "include", Value: []string{accountsPattern}}}
	settings = appendIf(settings, "proxy", a.Proxy)
	if !a.ProxyPassword.IsZero() {
		file := filepath.Join(filepath.Dir(a.Target.Config), proxyName+passwordEnding)
		files = append(files, File{Path: file, Password: a.ProxyPassword})
		settings = append(settings, config.Pair{Key: "proxy_password_file", Value: filepath.Base(file)})
	}
	if page := a.Page; page.Listen != "" {
		file := filepath.Join(filepath.Dir(a.Target.Config), pageName+passwordEnding)
		files = append(files, File{Path: file, Password: page.Password})
		settings = append(settings, config.Pair{Key: "listen", Value: page.Listen})
		settings = appendIf(settings, "listen_tls_cert_file", page.CertFile)
		settings = appendIf(settings, "listen_tls_key_file", page.KeyFile)
		settings = append(settings, config.Pair{Key: "web", Value: page.web(filepath.Base(file))})
	}
	main, err := config.Sketch{
		Head:     head + "\nEach account has a file in " + accountsFolder + "; popferry init adds more.\npopferry help example describes all settings.",
		Settings: settings,
		Forward:  []config.Section{a.destination()},
	}.YAML()
	return append(files, File{Path: a.Target.Config, Text: main}), err
}

// account is the mailbox as the configuration has it.
func (a Answers) account() config.Section {
	x := a.Mailbox
	k := appendIf(config.Section{{Key: "name", Value: a.Name}}, "provider", x.Provider)
	k = append(k, a.server(x)...)
	k = append(k,
		config.Pair{Key: "username", Value: x.Username},
		x.secretPair(fileName(a.Name)+passwordEnding),
		config.Pair{Key: "leave_on_server", Value: a.leave(), Comment: "true: keep mail there, false: delete it once forwarded, 14d: delete it 14 days later"},
	)
	if a.Target.Existing != nil || a.FirstRun != "" && a.FirstRun != config.FirstRunAll { // there may be defaults
		k = appendIf(k, "first_run", a.FirstRun)
	}
	if a.Target.Existing != nil {
		k = appendIf(k, "forward", a.Forward)
		k = appendIf(k, "to", a.To)
		k = appendIf(k, "from", a.From)
	}
	return k
}

// destination is the inbox's server as the configuration has it.
func (a Answers) destination() config.Section {
	x := a.Inbox
	if x.Maildir != "" {
		return config.Section{{Key: "name", Value: inboxName}, {Key: "protocol", Value: config.ProtocolMaildir}, {Key: "path", Value: x.Maildir}}
	}
	k := append(config.Section{{Key: "name", Value: inboxName}}, a.server(x)...)
	switch x.Protocol {
	case discover.LMTP:
		k = append(k, config.Pair{Key: "protocol", Value: config.ProtocolLMTP})
	case discover.IMAP:
		k = append(k, config.Pair{Key: "protocol", Value: config.ProtocolIMAP})
	case discover.POP3, discover.Submission:
	}
	if !x.Secret.IsZero() {
		k = append(k,
			config.Pair{Key: "username", Value: x.Username},
			x.secretPair(inboxName+passwordEnding))
	}
	if x.Protocol == discover.IMAP {
		return k // there is no envelope
	}
	k = appendIf(k, "from", a.From)
	return append(k, config.Pair{Key: "to", Value: []string{x.Address.Full}})
}

// secretPair is how an endpoint is logged in to: with the password in a file, or by
// OAuth2.
func (x Endpoint) secretPair(file string) config.Pair {
	if x.SignIn == nil {
		return config.Pair{Key: "password_file", Value: file}
	}
	keys := x.SignIn.Keys
	if !x.SignIn.Client.IsZero() {
		keys = append(slices.Clone(keys), config.Pair{Key: "client_secret_file", Value: clientFile(file)})
	}
	return config.Pair{Key: "oauth2", Value: keys}
}

// secretFiles are the files with what must stay secret, where the password's is file.
func (x Endpoint) secretFiles(file string) []File {
	switch {
	case x.SignIn == nil:
		return []File{{Path: file, Password: x.Secret}}
	case !x.SignIn.Client.IsZero():
		return []File{{Path: clientFile(file), Password: x.SignIn.Client}}
	}
	return nil
}

func clientFile(password string) string {
	return strings.TrimSuffix(password, passwordEnding) + clientEnding
}

// server is where a server is, and its TLS.
func (a Answers) server(x Endpoint) config.Section {
	k := config.Section{{Key: "host", Value: x.Server.Host}}
	if x.Server.Port == 0 { // a socket
		return k
	}
	k = append(k, config.Pair{Key: "port", Value: x.Server.Port}, config.Pair{Key: "tls", Value: x.Server.TLS.String()})
	if x.Server.TLS == dial.None {
		return k
	}
	if x.Pin != "" {
		return append(k, config.Pair{Key: "tls_pin", Value: x.Pin})
	}
	return appendIf(k, "tls_ca_file", a.CAFile)
}

// leave is leave_on_server as YAML has it.
func (a Answers) leave() any {
	switch a.Leave {
	case "", "true":
		return true
	case "false":
		return false
	}
	return a.Leave
}

func appendIf(k config.Section, key, value string) config.Section {
	if value == "" {
		return k
	}
	return append(k, config.Pair{Key: key, Value: value})
}
