package legacy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

// Choice is what the user adds to the files.
type Choice struct {
	Head  string // a comment at the top
	State string // the ledger's file; "": the default
	// Filled: the ledger has the messages that were fetched before, so popferry
	// must not run with another one.
	Filled bool
	// FirstRunAll: where fetched mail stayed on the server and no record says which, all of
	// it is forwarded. Otherwise none of it is.
	FirstRunAll bool
	To          []string // the recipients, instead of those in the files
	Server      Server   // the destination, instead of those in the files; no host: none
}

// Server is a destination from the command line.
type Server struct {
	Host         string
	Port         int // 0: the default
	Username     string
	PasswordFile string
}

// Draft is a configuration to be written, and the files with secrets beside it.
type Draft struct {
	config.Sketch
	Names   []string // of the accounts, in the order of the Setup
	Secrets []SecretFile
}

// SecretFile is a file with a password.
type SecretFile struct {
	Name     string
	Password Secret
}

// Draft turns the setup into a configuration. What only the user can know is left
// empty, so that loading the configuration reports it.
func (s *Setup) Draft(c Choice) Draft {
	w := &drafter{choice: c, setup: s, files: make(map[string]bool)}
	w.Head = c.Head
	if c.State != "" {
		w.Settings = append(w.Settings, config.Pair{Key: "state", Value: c.State})
	}
	if c.Filled {
		w.Settings = append(w.Settings, config.Pair{Key: "state_create", Value: false, Comment: "that ledger records which messages were fetched before; without it all of them would be forwarded"})
	}
	if s.Schedule > 0 {
		w.Settings = append(w.Settings, config.Pair{Key: "schedule", Value: every(s.Schedule)})
	}
	w.nameAccounts()
	s.choose(c)
	w.gatherDestinations()
	s.disableDuplicates()
	for i, a := range s.Accounts {
		w.Accounts = append(w.Accounts, w.account(a, w.Names[i]))
	}
	for i := range w.destinations {
		w.Forward = append(w.Forward, w.destination(i))
	}
	return w.Draft
}

type drafter struct {
	Draft
	choice       Choice
	setup        *Setup
	destinations []Delivery      // each once; To is that of all its accounts, or ""
	files        map[string]bool // names in use, in lower case
}

// every returns a schedule with equal intervals.
func every(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return "@every " + text
}

// nameAccounts names each account as before, or by default. Names that occur more
// than once get a number.
func (w *drafter) nameAccounts() {
	used := make(map[string]int)
	for _, a := range w.setup.Accounts {
		used[a.Name]++
	}
	taken := make(map[string]bool)
	for _, a := range w.setup.Accounts {
		name := a.Name
		if name == "" || used[name] > 1 {
			name = a.mailbox()
		}
		for n, base := 2, name; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[name] = true
		w.Names = append(w.Names, name)
	}
}

// mailbox returns the default name of an account: the user name if that is an
// address, otherwise user@host.
func (a *Account) mailbox() string {
	if strings.Contains(a.Username, "@") {
		return a.Username
	}
	return a.Username + "@" + a.Host
}

// account returns the section of an account.
func (w *drafter) account(a Account, name string) config.Section {
	out := config.Section{{Key: "name", Value: name, Comment: a.String()}}
	if a.Disabled {
		out = append(out, config.Pair{Key: "enabled", Value: false})
	}
	out = append(out, config.Pair{Key: "host", Value: a.Host})
	if a.Port != 0 {
		out = append(out, config.Pair{Key: "port", Value: a.Port})
	}
	out = append(out, config.Pair{Key: "tls", Value: a.TLS.Mode})
	for _, p := range []config.Pair{
		{Key: "tls_ca_file", Value: a.TLS.CAFile}, {Key: "tls_pin", Value: a.TLS.Pin}, {Key: "tls_server_name", Value: a.TLS.ServerName},
		{Key: "tls_min", Value: a.TLS.Min}, {Key: "tls_cert_file", Value: a.TLS.CertFile}, {Key: "tls_key_file", Value: a.TLS.KeyFile},
		{Key: "auth", Value: a.Auth}, {Key: "username", Value: a.Username},
	} {
		if p.Value != "" {
			out = append(out, p)
		}
	}
	out = append(out, w.login(a, name)...)
	out = append(out, a.Route.section()...)
	if a.Gap > 0 {
		out = append(out, config.Pair{Key: "schedule", Value: every(a.Gap)})
	}
	out = append(out, config.Pair{Key: "leave_on_server", Value: a.Leave.value()})
	if a.unrecorded() && !w.choice.FirstRunAll {
		out = append(out, config.Pair{Key: "first_run", Value: "new", Comment: "it is not known what was fetched before"})
	}
	if a.MaxSize > 0 {
		out = append(out, config.Pair{Key: "max_message_size", Value: a.MaxSize})
	}
	if a.Most > 0 {
		out = append(out, config.Pair{Key: "max_messages", Value: a.Most})
	}
	if a.Timeout > 0 {
		out = append(out, config.Pair{Key: "timeout", Value: a.Timeout.String()})
	}
	if a.Multidrop != nil {
		out = append(out, config.Pair{Key: "multidrop", Value: a.Multidrop.section()})
	}
	if len(a.Filter) > 0 {
		out = append(out, config.Pair{Key: "filter", Value: a.Filter})
	}
	if a.Folder != "" && w.choice.Server.Host == "" && a.Delivery.Gmail {
		out = append(out, config.Pair{Key: "folder", Value: a.Folder})
	}
	return append(out, w.delivery(a.Delivery)...)
}

func (l Leave) value() any {
	if l.Keep && l.Days > 0 {
		return fmt.Sprintf("%dd", l.Days)
	}
	return l.Keep
}

// login returns the keys for an account's password.
func (w *drafter) login(a Account, name string) config.Section {
	switch {
	case a.Command != "" && (a.Auth == "xoauth2" || a.Auth == "oauthbearer"):
		return config.Section{{Key: "token_command", Value: a.Command}}
	case a.Command != "":
		return config.Section{{Key: "password_command", Value: a.Command}}
	case a.Auth == "external" && a.Password == "":
		return nil
	}
	return config.Section{w.secret(name, a.Password)}
}

// secret returns the key for a password file beside the configuration. If the
// password is not known, the user has to write the file.
func (w *drafter) secret(name string, password Secret) config.Pair {
	p := config.Pair{Key: "password_file", Value: w.fileName(name)}
	if password == "" {
		p.Comment = "to be written"
		return p
	}
	w.Secrets = append(w.Secrets, SecretFile{p.Value.(string), password})
	return p
}

// fileName returns a unique name for the password file of an account or
// destination, also for a file that the user has to write: no password may be
// taken for another one.
func (w *drafter) fileName(name string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@+_.-"
	base := strings.TrimLeft(strings.Map(func(r rune) rune {
		if !strings.ContainsRune(plain, r) {
			return '-'
		}
		return r
	}, name), ".-")
	base = cmp.Or(base, "account")
	file := base + ".password"
	for n := 2; w.files[strings.ToLower(file)]; n++ { // some file systems ignore case
		file = fmt.Sprintf("%s-%d.password", base, n)
	}
	w.files[strings.ToLower(file)] = true
	return file
}
