package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// SharedState is a ledger in a PostgreSQL database, which any number of popferrys
// share.
type SharedState struct {
	// URL is the database's, with its sslmode. It has no password.
	URL string
	// Password is the database user's; zero: what PGPASSFILE or a client certificate
	// says.
	Password Secret
	// TokenKeyFile has the keys that seal sign-ins there; "": there can be none.
	TokenKeyFile string
}

// Beside is a file of this machine that lies beside the ledger or, if that is a
// database, where it would lie.
func (c *Config) Beside(ending string) string {
	if c.Shared == nil {
		return c.State + ending
	}
	return c.Local + ending
}

// isDatabase reports whether a state is a database and not a file.
func isDatabase(state string) bool {
	return strings.HasPrefix(state, "postgres://") || strings.HasPrefix(state, "postgresql://")
}

// stateKeys are the keys of a database. Only one may give the password.
func stateKeys() []string {
	return []string{"state_password_env", "state_password_file", "state_password_command"}
}

// state sets the ledger: a path, or the URL of a database.
func (l *loader) state(v yamlValue) {
	text(&l.config.State)(v)
	if !isDatabase(l.config.State) {
		l.config.State = l.expand(v, l.config.State)
	}
}

// resolveShared checks what belongs to a ledger that is a database, or is reported
// without one.
func (l *loader) resolveShared(main mapping) {
	if !isDatabase(l.config.State) {
		l.config.Shared = nil
		for _, d := range l.forwards {
			if d.OnReject == RejectQuarantine && d.lacks("quarantine_dir") {
				d.key("on_reject").fail("quarantine requires quarantine_dir, the folder for refused messages")
			}
		}
		for _, name := range append(stateKeys(), "token_key_file") {
			if main.has(name) {
				main.key(name).fail("can be used only where state is a database (postgres://HOST/DATABASE)")
			}
		}
		return
	}
	first := ""
	for _, name := range stateKeys() {
		switch {
		case !main.has(name):
		case first != "":
			main.key(name).fail("conflicts with %s; set only one of them", first)
		default:
			first = name
		}
	}
	l.config.Shared.URL = checkDatabase(main.key("state"), l.config.State)
	l.config.State = l.config.Shared.URL
	for _, d := range l.forwards {
		if d.has("quarantine_dir") {
			d.key("quarantine_dir").fail("cannot be used where state is a database, which keeps such messages itself: take the key out, and see popferry quarantine")
		}
	}
}

// checkDatabase reports what a database's URL must not have, and returns it with an
// sslmode. Without one, that is verify-full, as for every other server, but on this
// machine.
func checkDatabase(v yamlValue, state string) string {
	scheme, rest, _ := strings.Cut(state, "://")
	rest, query, _ := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	settings, err := url.ParseQuery(query)
	if err != nil {
		v.fail("the part behind the question mark cannot be read; it has to be a list such as sslmode=verify-full&sslrootcert=/etc/ca.pem")
		return ""
	}
	if at >= 0 && strings.Contains(authority[:at], ":") || settings.Has("password") || settings.Has("sslpassword") {
		v.fail("has a password in it, where logs and process lists may show it; take it out, and set state_password_file, state_password_env or state_password_command")
		return "" // it must not be shown anywhere
	}
	if database == "" {
		v.fail("names no database; it has to be such as postgres://USER@HOST/DATABASE")
	}
	hosts := strings.Split(authority[at+1:], ",")
	switch mode := settings.Get("sslmode"); {
	case mode == "" && !slices.ContainsFunc(hosts, isElsewhere):
		settings.Set("sslmode", "disable")
	case mode == "":
		settings.Set("sslmode", "verify-full")
	case mode == "allow", mode == "prefer":
		v.fail("sslmode=%s would send the password without encryption to a server that refuses TLS; use verify-full, or disable where the network can be trusted", mode)
	case mode == "require", mode == "verify-ca":
		v.warn("sslmode=%s does not prove that the server is the right one; verify-full does", mode)
	}
	return scheme + "://" + rest + "?" + settings.Encode()
}

// isElsewhere reports whether a host of a URL is not this machine.
func isElsewhere(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if name == "" || name == "localhost" || strings.HasPrefix(name, "%2F") || strings.HasPrefix(name, "%2f") {
		return false // "" and a folder: a unix socket
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err != nil || !ip.IsLoopback()
}
