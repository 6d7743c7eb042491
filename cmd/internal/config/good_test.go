package config_test

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/trust"
)

func load(t *testing.T, path string, vars map[string]string) *config.Config {
	t.Helper()
	c, err := config.Load(path, environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// equal compares got with want.
func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestThreeFacts(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/three-facts.yaml", map[string]string{"PASSWORD": "hunter2"})
	equal(t, "warnings", c.Warnings, []string{})

	a := c.Accounts[0]
	a.Secret = config.Secret{}
	equal(t, "account", a, config.Account{
		Name:    "leo@pop.example.net",
		Enabled: true,
		Server: config.Server{
			Host:     "pop.example.net",
			Port:     995,
			TLS:      config.TLS{Mode: config.TLSImplicit, Min: "1.2", Ciphers: config.CiphersDefault},
			Username: "leo",
			Auth:     "auto",
			Timeout:  time.Minute,
		},
		Schedule: "@every 10m",
		Leave:    config.Leave{Keep: true},
		MaxSize:  50_000_000, MaxListing: 1_000_000, Order: config.OrderListed,
		Forward:  "smtp.example.org",
		Endpoint: "smtp smtp.example.org:587",
		To:       []string{"leo@example.org"},
		From:     "leo@example.org",
		Tag:      config.TagNone,
		File:     "testdata/good/three-facts.yaml",
		Line:     2,
	})

	equal(t, "files", c.Files, []string{"testdata/good/three-facts.yaml"})
	c.Accounts, c.Forward, c.Warnings, c.Files = nil, nil, nil, nil
	equal(t, "settings", c, &config.Config{
		Path:        "testdata/good/three-facts.yaml",
		State:       "/home/leo/.local/state/popferry/popferry.db",
		StateCreate: true,
		Schedule:    "@every 10m",
		Concurrency: 16,
		PerHost:     4,
		Notify:      config.Notify{After: 24 * time.Hour},
		Spool:       config.Spool{Dir: "/home/leo/.local/state/popferry/popferry.spool", Memory: 64_000_000},
		Log:         config.Log{Level: slog.LevelInfo, Format: "text"},
	})
}

// TestListenWithoutHost: a port alone means the loopback address.
func TestListenWithoutHost(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{":8110": "127.0.0.1:8110", "0.0.0.0:8110": "0.0.0.0:8110", "[::1]:0": "[::1]:0"} {
		path := filepath.Join(t.TempDir(), "popferry.yaml")
		text := "listen: \"" + given + "\"\naccounts: [{host: a.example, username: leo, password: x}]\nforward: [{host: b.example, to: [leo@b.example]}]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		equal(t, given, load(t, path, nil).Listen, want)
	}
}

func TestPageWarnings(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"":               ":1: web: password_file: has no effect without listen",
		"127.0.0.1:8110": "",
		"[::1]:8110":     "",
		":8110":          "",
		"0.0.0.0:8110":   ":2: listen: the password of the status page crosses the network unencrypted; set listen_tls_cert_file, or listen on 127.0.0.1, behind a web server with TLS",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "popferry.yaml")
		text := "web: {password_file: page.password}\nlisten: \"" + listen + "\"\naccounts: [{host: a.example, username: leo, password: x}]\nforward: [{host: b.example, to: [leo@b.example]}]\n"
		for name, content := range map[string]string{path: text, filepath.Join(dir, "page.password"): "eight ch"} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		warned := []string{}
		if want != "" {
			warned = append(warned, path+want)
		}
		equal(t, listen, load(t, path, nil).Warnings, warned)
	}
}

// A short password of the page is no reason to stop fetching mail, but nobody can log
// in with it, also if it was long when popferry started.
func TestShortPagePassword(t *testing.T) {
	t.Parallel()
	const says = "the password has fewer than 8 characters, so nobody can log in to the status page; choose a longer one"
	for password, want := range map[string]string{"x": says, "7 chars": says, "äöüäöüß": says, "8 chars!": "", "": "the password is empty"} {
		path := write(t, 0o600, "web: {password_file: page.password}\nlisten: \":8110\"\naccounts: [{host: a.example, username: leo, password: x}]\nforward: [{host: b.example, to: [leo@b.example]}]\n")
		file := filepath.Join(filepath.Dir(path), "page.password")
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := load(t, path, nil)
		warned := []string{}
		if want == says {
			warned = append(warned, path+":1: web: password_file: "+says)
		}
		equal(t, password, c.Warnings, warned)
		got, err := c.Web.LoginPassword(t.Context())
		switch {
		case want == "" && (err != nil || got != password):
			t.Errorf("%q: got %q, %v; want the password", password, got, err)
		case want != "" && (err == nil || err.Error() != want || got != ""):
			t.Errorf("%q: got %q, %v; want %s", password, got, err, want)
		}
	}
	if got, err := (config.Web{}).LoginPassword(t.Context()); got != "" || err != nil {
		t.Errorf("without a password: got %q, %v; want neither", got, err)
	}
}

// TestPageAccess: names lose their case and a dot at the end, and an address is a
// network of its own.
func TestPageAccess(t *testing.T) {
	t.Parallel()
	path := write(t, 0o600, `
web: {hosts: [Mail.Example.Org., popferry], trusted_proxies: [192.0.2.7, "2001:db8::/32", 10.9.8.7/8]}
accounts: [{host: a.example, username: leo, password: hunter2}]
forward: [{host: b.example, to: [leo@b.example]}]
`)
	c := load(t, path, nil)
	equal(t, "hosts", c.Web.Hosts, []string{"mail.example.org", "popferry"})
	equal(t, "trusted_proxies", c.Web.TrustedProxies, []netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.0.0.0/8")})
}

func TestEverything(t *testing.T) {
	t.Parallel()
	const path = "testdata/good/everything.yaml"
	c := load(t, path, map[string]string{"PASSWORD": "hunter2"})

	equal(t, "state", c.State, "testdata/good/var/mail.db")
	equal(t, "state_create", c.StateCreate, false)
	equal(t, "spool", c.Spool, config.Spool{Dir: "/var/spool/popferry", Memory: 1536 << 20})
	equal(t, "log", c.Log, config.Log{Level: slog.LevelDebug, Format: "json"})

	isp := c.Accounts[0]
	password, err := isp.Secret.Get(context.Background())
	equal(t, "password", password, "  two spaces: and # more")
	equal(t, "password", err, nil)
	isp.Secret = config.Secret{}
	equal(t, "isp", isp, config.Account{
		Name: "isp",
		Server: config.Server{
			Host: "pop.example.net",
			Port: 1110,
			TLS: config.TLS{
				Mode: config.TLSStart, Min: "1.3", Ciphers: config.CiphersLegacy, CAFile: "testdata/good/ca.pem",
				Pin: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			},
			Username: "leo",
			Auth:     "user",
			Timeout:  90 * time.Second,
		},
		Schedule:    "@every 1h",
		MinInterval: 90 * time.Minute,
		FirstRun:    config.FirstRun{New: true},
		MaxListing:  200_000,
		Order:       config.OrderListed,
		Forward:     "local",
		Endpoint:    "lmtp unix:/run/dovecot/lmtp:0",
		To:          []string{"leo", "mia"},
		From:        config.SenderNull,
		Tag:         config.TagNone,
		File:        path,
		Line:        15,
	})

	local := c.Forward[1]
	equal(t, "local", local, config.Destination{
		Name:        "local",
		Server:      config.Server{Host: "unix:/run/dovecot/lmtp", TLS: config.TLS{Mode: config.TLSNone, Min: "1.2", Ciphers: config.CiphersDefault}, Auth: "auto", Timeout: time.Minute},
		Protocol:    config.ProtocolLMTP,
		From:        config.SenderOriginal,
		To:          []string{"leo"},
		Connections: 4,
		InFlight:    1,
		Rate:        []config.Rate{{Messages: 200, Per: time.Hour}, {Messages: 5000, Per: 24 * time.Hour}},
		OnReject:    "hold",
		File:        path,
		Line:        45,
	})
	equal(t, "port of a plain connection", c.Forward[0].Port, 25)
}

// TestFolders: what a destination without an envelope, and its accounts, have by
// default.
func TestFolders(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/folders.yaml", map[string]string{"PASSWORD": "hunter2"})
	type destination struct {
		name, endpoint, mode, folder, from, spam string
		create                                   bool
	}
	var got []destination
	for _, d := range c.Forward {
		got = append(got, destination{d.Name, d.Endpoint(), d.TLS.Mode, d.Folder, d.From, d.SpamFolder, d.CreateFolder})
	}
	equal(t, "destinations", got, []destination{
		{"imap.example.org", "imap imap.example.org:993", config.TLSImplicit, "INBOX", "", "", false},
		{"upgraded", "imap imap.example.org:143", config.TLSStart, "Collected/ISP", "", config.SpamAuto, true},
		{"disk", "maildir /home/leo/Maildir", "", "INBOX", "", "", false},
	})
	folders := map[string]string{}
	for _, a := range c.Accounts {
		folders[a.Name] = a.Folder
		equal(t, a.Name+": recipients", a.To, nil)
	}
	equal(t, "folders", folders, map[string]string{"isp": "INBOX", "own": "Work", "theirs": "Collected/ISP"})
	equal(t, "warnings", c.Warnings, []string{})
}

// TestDestinationLogins: a destination logs in by a token or a certificate, too.
func TestDestinationLogins(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/logins.yaml", map[string]string{"PASSWORD": "hunter2"})
	type login struct {
		name, auth, secret string
		token              bool
	}
	var got []login
	for _, d := range c.Forward {
		secret := ""
		if !d.Secret.IsZero() {
			var err error
			if secret, err = d.Secret.Get(t.Context()); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
		got = append(got, login{d.Name, d.Auth, secret, d.Token})
	}
	equal(t, "logins", got, []login{
		{"token", "auto", "ya29.token", true}, {"bearer", "oauthbearer", "ya29.token", true}, {"local", "xoauth2", "ya29.token", true},
		{"scram", "scram-sha-256", "hunter2", false}, {"certificate", "external", "", false}, {"folder", "external", "", false},
	})
	equal(t, "warnings", c.Warnings, []string{})
}

func TestIncludeAndDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/everything.yaml", map[string]string{"PASSWORD": "hunter2"})
	type summary struct {
		name, mode string
		leave      time.Duration
		from, file string
		line       int
	}
	var got []summary
	for _, a := range c.Accounts[1:] {
		got = append(got, summary{a.Name, a.TLS.Mode, a.Leave.For, a.From, filepath.Base(a.File), a.Line})
		password, err := a.Secret.Get(context.Background())
		if password != "hunter2" || err != nil {
			t.Errorf("%s: password %q, %v; want hunter2", a.Name, password, err)
		}
	}
	const fortnight = 14 * 24 * time.Hour
	equal(t, "accounts", got, []summary{
		{"mia@example.net@pop.example.net", "none", fortnight, "leo@example.org", "everything.yaml", 35},
		{"one@pop.example.com", "none", fortnight, "leo@example.org", "10-more.yaml", 3},
		{"two@localhost", "none", fortnight, "leo@example.org", "10-more.yaml", 4},
	})
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	path := write(t, 0o644, `
listen: 127.0.0.1:8110
notify: {to: leo@example.org, after: 24h}
accounts:
  - {name: one, host: pop.example.net, username: leo, password: hunter2, tls: none}
  - {name: two, host: pop.example.net, username: leo, password: hunter2}
  - {name: three, host: localhost, username: leo, password_env: UNSET, tls: none}
forward:
  - host: smtp.example.org
    to: leo@example.org
    on_reject: wrap
`)
	env := environment(nil)
	env.Guard = trust.As(os.Geteuid(), false)
	c, err := config.Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "warnings", c.Warnings, []string{
		path + ":5: accounts[one].password: other users can read this file (mode 0644); run chmod 600 " + path + ", or use password_file",
		path + ":5: accounts[one].tls: none: password and mail go to pop.example.net unencrypted",
		path + ":6: accounts[two].username: the same mailbox as accounts[one] in " + path + ":5; each account forwards all of its mail",
		path + ":7: accounts[three].password_env: the environment variable UNSET is not set",
	})
}

// Whoever fetches from one mailbox by two accounts is told which of them gets what.
func TestOneMailboxOfTwoAccounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ one, two, want string }{
		"both keep":           {"leave_on_server: true", "leave_on_server: true", "each account forwards all of its mail"},
		"one deletes":         {"leave_on_server: true", "leave_on_server: false", "two deletes what it has forwarded, so what it fetches first never reaches the others. For mail that is to reach all of them, use one account with all recipients in to, or set leave_on_server: true for two"},
		"both delete":         {"leave_on_server: false", "leave_on_server: false", "all of them delete what they have forwarded, so a message reaches only the account that fetches it first. For mail that is to reach all of them, use one account with all recipients in to, or set leave_on_server: true"},
		"one deletes later":   {"leave_on_server: 14d", "leave_on_server: 30d", "each account forwards all of its mail, if it is polled before one deletes it (leave_on_server)"},
		"each message once":   {"provider: gmail", "provider: gmail", "its server gives out each message only once, so a message reaches only the account that fetches it first. For mail that is to reach all of them, use one account with all recipients in to"},
		"one does not fetch":  {"leave_on_server: true", "enabled: false", ""},
		"another user's":      {"leave_on_server: false", "username: zoe", ""},
		"the first is no one": {"enabled: false", "leave_on_server: false", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := func(name, more string) string {
				for key, value := range map[string]string{"provider": "host: pop.example.net", "username": "username: leo"} {
					if !strings.HasPrefix(more, key) {
						more += ", " + value
					}
				}
				return "  - {name: " + name + ", password: hunter2, " + more + "}\n"
			}
			path := write(t, 0o600, "accounts:\n"+account("one", tt.one)+account("two", tt.two)+"forward:\n  - {host: smtp.example.org, to: leo@example.org}\n")
			var want []string
			if tt.want != "" {
				want = []string{path + ":3: accounts[two].username: the same mailbox as accounts[one] in " + path + ":2; " + tt.want}
			}
			if got := load(t, path, nil).Warnings; !slices.Equal(got, want) {
				t.Errorf("warnings\n %q, want\n %q", got, want)
			}
		})
	}
}

func TestFindOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		flag  string
		vars  map[string]string
		files []string
		want  string
	}{
		{name: "flag", flag: "my.yaml", vars: map[string]string{"POPFERRY_CONFIG": "env.yaml"}, want: "my.yaml"},
		{name: "variable", vars: map[string]string{"POPFERRY_CONFIG": "env.yaml"}, files: []string{"popferry.yaml"}, want: "env.yaml"},
		{name: "not here", files: []string{"popferry.yaml", "/etc/popferry/popferry.yaml"}, want: "/etc/popferry/popferry.yaml"},
		{name: "home", files: []string{"/home/leo/.config/popferry/popferry.yaml"}, want: "/home/leo/.config/popferry/popferry.yaml"},
		{name: "XDG", vars: map[string]string{"XDG_CONFIG_HOME": "/xdg"}, files: []string{"/xdg/popferry/popferry.yaml"}, want: "/xdg/popferry/popferry.yaml"},
		{name: "system", files: []string{"/etc/popferry/popferry.yaml"}, want: "/etc/popferry/popferry.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := environment(tt.vars)
			env.Exists = func(path string) bool { return slices.Contains(tt.files, path) }
			got, err := config.Find(tt.flag, env)
			if got != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	env := environment(nil)
	env.Exists = func(string) bool { return false }
	_, err := config.Find("", env)
	const looked = "no configuration found (looked for /home/leo/.config/popferry/popferry.yaml, /etc/popferry/popferry.yaml); "
	want := looked + "name one with --config or $POPFERRY_CONFIG, or create one with popferry init"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	env.Exists = func(path string) bool { return path == "popferry.yaml" }
	_, err = config.Find("", env)
	if want = looked + "to use the one in the current folder, type --config popferry.yaml"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A new configuration goes where it is found afterwards.
func TestPlace(t *testing.T) {
	t.Parallel()
	const home, system = "/home/leo/.config/popferry/popferry.yaml", "/etc/popferry/popferry.yaml"
	for _, tt := range []struct {
		name  string
		flag  string
		vars  map[string]string
		files []string
		uid   int
		want  string
	}{
		{name: "user", uid: 1000, want: home},
		{name: "root", want: system},
		{name: "root who has one", files: []string{home}, want: home},
		{name: "system's", uid: 1000, files: []string{system}, want: system},
		{name: "flag", flag: "my.yaml", want: "my.yaml"},
		{name: "variable", vars: map[string]string{"POPFERRY_CONFIG": "env.yaml"}, want: "env.yaml"},
		{name: "without HOME", uid: 1000, vars: map[string]string{"HOME": ""}, want: system},
		{name: "Windows", uid: 1000, vars: map[string]string{"HOME": "", "USERPROFILE": "/Users/leo"}, want: "/Users/leo/.config/popferry/popferry.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := environment(tt.vars)
			env.Guard = trust.As(tt.uid, false)
			env.Exists = func(path string) bool { return slices.Contains(tt.files, path) }
			if got := config.Place(tt.flag, env); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDefaultState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		vars map[string]string
		want string
	}{
		{map[string]string{"STATE_DIRECTORY": "/var/lib/popferry:/var/lib/other"}, "/var/lib/popferry/popferry.db"},
		{map[string]string{"XDG_STATE_HOME": "/xdg"}, "/xdg/popferry/popferry.db"},
		{map[string]string{"XDG_STATE_HOME": "relative"}, "/home/leo/.local/state/popferry/popferry.db"},
	} {
		c := load(t, "testdata/good/three-facts.yaml", tt.vars)
		equal(t, "state", c.State, tt.want)
	}
	_, err := config.Load("testdata/good/three-facts.yaml", environment(map[string]string{"HOME": ""}))
	const want = "testdata/good/three-facts.yaml: state: missing, and there is no default because none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestOwnAddress: what may be another mailbox than the account's own is accepted.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/own-address.yaml", map[string]string{"PASSWORD": "hunter2"})
	equal(t, "accounts", len(c.Accounts), 7)
}
