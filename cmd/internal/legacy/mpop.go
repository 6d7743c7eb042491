package legacy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// mpopPlaces returns where mpop looks for its file (mpop(1), "Files").
func (r *reader) mpopPlaces() []string {
	return []string{r.home(".mpoprc"), r.xdgConfig("mpop", "config")}
}

// mpop reads an mpoprc, and the UIDs of the messages that were fetched.
func (r *reader) mpop(path, text string) error {
	all := parseMpoprc(path, text, r.setup)
	for i, m := range all {
		before := len(r.setup.Remarks)
		if m.commands["host"].text == "" || m.alias(all[:i]) {
			continue // other accounts inherit from it, or it is an alias
		}
		if m.commands["user"].text == "" {
			r.setup.remark(m.Place, "%s has no user and is ignored; unless it is only there for others to inherit from, add the user and import again", m.name)
			continue
		}
		a, err := r.mpopAccount(m)
		if err != nil {
			return err
		}
		r.setup.Accounts = append(r.setup.Accounts, a)
		r.setup.assign(before, len(r.setup.Accounts)-1)
	}
	return nil
}

func (r *reader) mpopAccount(m mpopAccount) (Account, error) {
	text := func(command string) string { return m.commands[command].text }
	a := Account{
		Place:    m.Place,
		Name:     m.name,
		Host:     text("host"),
		Username: text("user"),
		Password: Secret(text("password")),
		Command:  text("passwordeval"),
		Leave:    Leave{Keep: on(m.commands, "keep")},
		MaxSize:  mpopSize(text("skipsize")),
		Timeout:  seconds(text("timeout")),
	}
	a.Port, _ = strconv.Atoi(text("port"))
	if a.Name == "default" {
		a.Name = ""
	}
	if a.Password != "" {
		a.Command = ""
	}
	a.Route = r.mpopRoute(m)
	r.mpopTLS(m, &a)
	r.mpopAuth(m, &a)
	r.mpopRest(m)
	a.Filter = r.mpopFilter(m.commands["filter"])
	a.Delivery = r.mpopDelivery(m.commands["delivery"])
	return a, r.mpopRecord(cmp.Or(text("uidls_file"), "~/.mpop_uidls/%U_at_%H"), &a)
}

// on reports whether a command is set and not off.
func on(commands map[string]mpopCommand, name string) bool {
	c, ok := commands[name]
	return ok && c.text != "off"
}

// mpopSize reads a size in octets, KiB (k) or MiB (m); 0 if it is not valid.
func mpopSize(s string) int64 {
	unit := int64(1)
	switch {
	case strings.HasSuffix(s, "k"):
		unit, s = 1<<10, strings.TrimSuffix(s, "k")
	case strings.HasSuffix(s, "m"):
		unit, s = 1<<20, strings.TrimSuffix(s, "m")
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return 0
	}
	return n * unit
}

func (r *reader) mpopTLS(m mpopAccount, a *Account) {
	if file := m.commands["tls_trust_file"].text; file != "system" {
		a.TLS.CAFile = r.expand("", file)
	}
	a.TLS.CertFile = r.expand("", m.commands["tls_cert_file"].text)
	a.TLS.KeyFile = r.expand("", m.commands["tls_key_file"].text)
	a.TLS.ServerName = m.commands["tls_host_override"].text
	if c := m.commands["tls_fingerprint"]; c.text != "" {
		if a.TLS.Pin = sha256Pin(c.text); a.TLS.Pin == "" {
			r.setup.remark(c.Place, "tls_fingerprint: popferry accepts only SHA-256, others can be forged; if the certificate's authority is unknown, set tls_pin")
		}
	}
	_, said := m.commands["tls_starttls"]
	switch {
	case on(m.commands, "tls") && said && !on(m.commands, "tls_starttls"):
		a.TLS.Mode = config.TLSImplicit
	case on(m.commands, "tls"):
		a.TLS.Mode = config.TLSStart
	case a.clear():
		a.TLS.Mode = config.TLSNone
	default:
		a.TLS.Mode = config.TLSStart
		r.setup.remark(m.Place, "tls is off for %s: popferry does not send passwords unencrypted (tls: starttls); if the server has port 995, set tls: implicit", a.Host)
	}
	if c, ok := m.commands["tls_certcheck"]; ok && c.text == "off" {
		r.setup.remark(c.Place, "tls_certcheck: popferry always verifies certificates; if that fails for %s, it says which tls_pin to set", a.Host)
	}
}

func (r *reader) mpopAuth(m mpopAccount, a *Account) {
	c := m.commands["auth"]
	switch c.text {
	case "", "on":
	case "user", "plain", "login", "apop", "cram-md5", "scram-sha-1", "scram-sha-256", "external", "xoauth2", "oauthbearer":
		a.Auth = c.text
	default:
		r.setup.remark(c.Place, "auth: %s", noKerberos)
	}
	if a.Password != "" || a.Command != "" || a.Auth == "external" {
		return
	}
	file := r.home(".netrc")
	if a.Password = r.netrc(file, a.Username, a.Host); a.Password == "" {
		r.setup.todo(m.Place, "%s has no password here or in %s (mpop takes it from a keyring, or asks for it); write it to the password_file", m.name, file)
	}
}

// mpopDelivery carries over where mail went: mda COMMAND, maildir FOLDER, mbox FILE or
// exchange FOLDER.
func (r *reader) mpopDelivery(c mpopCommand) Delivery {
	method, rest, _ := strings.Cut(c.text, " ")
	rest = unquoted(strings.TrimSpace(rest))
	switch method {
	case "":
		return Delivery{}
	case "mda":
		return r.agent(c.Place, "delivery", rest, r.env.User)
	case "maildir":
		return Delivery{Maildir: r.expand("", rest)}
	case "mbox":
		return r.mbox(c.Place, "delivery", r.env.User)
	}
	return r.instead(c.Place, "delivery: popferry delivers to SMTP, LMTP and IMAP servers and Maildirs", way{})
}

// mpopRest remarks on what has no counterpart.
func (r *reader) mpopRest(m mpopAccount) {
	reasons := map[string]string{
		"socket":                "set proxy to a command that connects to the socket, such as [nc, -U, /path/of/socket], or make the tunnel listen on a port of 127.0.0.1",
		"ntlmdomain":            noKerberos,
		"tls_crl_file":          "popferry does not use revocation lists; with tls_pin it accepts only one certificate",
		"tls_priorities":        "popferry uses the ciphers of Go's TLS; for an old server see tls_ciphers and tls_min",
		"tls_min_dh_prime_bits": "popferry uses the ciphers of Go's TLS; for an old server see tls_ciphers and tls_min",
		"killsize":              "popferry deletes only what it has forwarded; see max_message_size",
	}
	for name, c := range m.commands {
		if why := reasons[name]; why != "" && c.text != "" && c.text != "off" {
			r.setup.remarkShared(c.Place, name+": "+why)
		} else if why == "" && !slices.Contains(mpopCommands(), name) {
			r.setup.remarkShared(c.Place, "popferry ignores a command here that it does not know; it is not shown, because it may be a part of a password")
		}
	}
	if c, ok := m.commands["only_new"]; ok && c.text == "off" {
		r.setup.remarkShared(c.Place, "only_new: popferry never forwards a message twice"+nothingToDo)
	}
}

// mpopCommands returns the commands that are carried over or need no counterpart.
func mpopCommands() []string {
	return []string{"host", "port", "timeout", "pipelining", "auth", "user", "password", "passwordeval", "tls", "tls_starttls", "tls_trust_file",
		"tls_fingerprint", "tls_key_file", "tls_cert_file", "tls_certcheck", "tls_host_override", "uidls_file", "only_new", "keep", "skipsize", "delivery", "filter",
		"received_header", "proxy_host", "proxy_port", "source_ip"}
}

// mpopRecord reads the UIDs of the messages that mpop has fetched.
func (r *reader) mpopRecord(name string, a *Account) error {
	name = strings.NewReplacer("%U", a.Username, "%H", a.Host).Replace(name)
	for _, path := range r.stateFiles(r.expand("", name)) {
		text, there, err := r.readState(path)
		if err != nil {
			return err
		}
		if !there {
			a.Seen.Missing = path
		} else {
			a.Seen.File = path
			a.Seen.add(mpopUIDs(text, a.Host, a.Username)...)
		}
	}
	return nil
}

// mpopUIDs reads the UIDs of one mailbox. A record has several lists, each after a
// line with a space, the number of UIDs, host and user.
func mpopUIDs(text, host, user string) (uids []string) {
	mine := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " "):
			_, mailbox, _ := strings.Cut(strings.TrimSpace(line), " ")
			h, u, _ := strings.Cut(mailbox, " ")
			mine = strings.EqualFold(h, host) && u == user
		case mine:
			uids = append(uids, line)
		}
	}
	return uids
}
