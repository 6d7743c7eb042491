package legacy

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// getmailPlaces returns where getmail looks for its file, or for several files with
// other names (configuration.txt, "Running getmail").
func (r *reader) getmailPlaces() []string {
	var places []string
	for _, dir := range []string{r.xdgConfig("getmail"), r.home(".getmail")} {
		places = append(places, filepath.Join(dir, "getmailrc"), dir)
	}
	return places
}

// getmail reads a getmailrc, which is one account, and the UIDs of the messages
// that were fetched.
func (r *reader) getmail(path, text string) error {
	before, account := len(r.setup.Remarks), -1
	defer func() { r.setup.assign(before, account) }() // the file is one account's
	rc := parseINI(path, text, r.setup)
	from := rc["retriever"]
	a := Account{
		Place:    Place{path, from["type"].Line},
		Host:     from["server"].text,
		Username: from["username"].text,
		Password: Secret(from["password"].text),
		Timeout:  seconds(from["timeout"].text),
		Leave:    Leave{Keep: true},
	}
	if name := filepath.Base(path); name != "getmailrc" {
		a.Name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	kind := from["type"].text
	switch {
	case strings.Contains(kind, "IMAP"):
		r.setup.remark(a.Place, "%s at %s uses IMAP, but popferry supports only POP3; set up the server's POP3 access in popferry, or keep getmail for this account", a.Username, a.Host)
		return nil
	case a.Host == "" || !strings.Contains(kind, "POP3") && !strings.Contains(kind, "SDPS"):
		r.setup.remark(a.Place, "[retriever]: not one of getmail 6's POP3 retrievers; the account is ignored")
		return nil
	}
	r.getmailTLS(from, strings.HasSuffix(kind, "SSLRetriever"), &a)
	r.getmailLogin(from, &a)
	r.getmailOptions(rc["options"], &a)
	r.getmailRest(rc)
	a.Filter = r.getmailFilters(rc)
	r.getmailDelivery(rc, path, &a)
	if err := r.oldmail(filepath.Dir(path), &a); err != nil {
		return err
	}
	account = len(r.setup.Accounts)
	r.setup.Accounts = append(r.setup.Accounts, a)
	return nil
}

// getmailTLS: getmail 6 has implicit TLS or none.
func (r *reader) getmailTLS(from map[string]iniValue, implicit bool, a *Account) {
	a.Port, _ = strconv.Atoi(from["port"].text)
	a.TLS.CAFile = r.expand("", from["ca_certs"].text)
	a.TLS.CertFile = r.expand("", from["certfile"].text)
	a.TLS.KeyFile = r.expand("", from["keyfile"].text)
	a.TLS.ServerName = from["ssl_cert_hostname"].text
	if v, ok := from["ssl_fingerprints"]; ok {
		pins, _ := parseTuple(v.text)
		if len(pins) == 1 {
			a.TLS.Pin = sha256Pin(pins[0])
		}
		if a.TLS.Pin == "" {
			r.setup.remark(v.Place, "ssl_fingerprints: popferry supports one SHA-256 fingerprint; if the certificate's authority is unknown, set tls_pin")
		}
	}
	switch {
	case implicit:
		a.TLS.Mode = config.TLSImplicit
	case a.clear():
		a.TLS.Mode = config.TLSNone
	default:
		a.TLS.Mode = config.TLSStart
		r.setup.remark(a.Place, "type: getmail sends the password to %s unencrypted, popferry does not (tls: starttls); if the server has port 995, set port: 995 and tls: implicit", a.Host)
	}
	if a.TLS.CAFile == "" && a.TLS.Pin == "" && implicit {
		r.setup.remark(a.Place, "ca_certs: without it getmail does not verify certificates; popferry always verifies certificates; if that fails for %s, it says which tls_pin to set", a.Host)
	}
}

// sha256Pin returns a fingerprint in the form of tls_pin; "" if it is not SHA-256.
func sha256Pin(s string) string {
	s = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return "sha256:" + s
}

func (r *reader) getmailLogin(from map[string]iniValue, a *Account) {
	if yes(from["use_apop"].text) {
		a.Auth = "apop"
	}
	if v, ok := from["password_command"]; ok && a.Password == "" {
		args, ok := parseTuple(v.text)
		if !ok || len(args) == 0 {
			r.setup.remark(v.Place, "password_command: not a list of strings; set password_command for the account")
		}
		a.Command = shellQuoted(args)
	}
	if a.Password == "" && a.Command == "" {
		r.setup.todo(a.Place, "no password here (getmail takes it from a keyring, or asks for it); write it to the password_file")
	}
}

func yes(s string) bool {
	return slices.Contains([]string{"true", "yes", "on", "1"}, strings.ToLower(s))
}

// getmailOptions reads the [options] that popferry supports.
func (r *reader) getmailOptions(o map[string]iniValue, a *Account) {
	days, _ := strconv.Atoi(o["delete_after"].text)
	a.Leave = Leave{Keep: !yes(o["delete"].text), Days: max(days, 0)}
	if !a.Leave.Keep {
		a.Leave.Days = 0
	}
	a.MaxSize, _ = strconv.ParseInt(o["max_message_size"].text, 10, 64)
	a.Most = mostMessages(o["max_messages_per_session"].text)
	if v, ok := o["read_all"]; ok && yes(v.text) {
		r.setup.remark(v.Place, "read_all: popferry never forwards a message twice"+nothingToDo)
	}
}

// getmailRest remarks on what has no counterpart.
func (r *reader) getmailRest(rc ini) {
	const logs = "popferry logs a line for each message to stderr; use the log of the service manager"
	reasons := map[string]string{
		"options max_bytes_per_session": paces, "options to_oldmail_on_each_mail": paces,
		"options delete_bigger_than": "popferry deletes only what it has forwarded, according to leave_on_server, whatever the size",
		"options message_log":        logs, "options message_log_syslog": logs,
		"options use_netrc":           "popferry does not read .netrc; write the password to the password_file",
		"options netrc_file":          "popferry does not read .netrc; write the password to the password_file",
		"retriever ssl_ciphers":       "popferry uses the ciphers of Go's TLS; for an old server see tls_ciphers and tls_min",
		"retriever ssl_version":       "popferry uses TLS 1.2 or later; for an old server see tls_min",
		"retriever use_xoauth2":       "set auth: xoauth2, and token_command instead of password_command",
		"retriever use_kerberos":      noKerberos,
		"retriever delete_dup_msgids": "popferry distinguishes messages with the same UID by their headers" + nothingToDo,
	}
	for section, keys := range rc {
		for key, v := range keys {
			if why := reasons[section+" "+key]; why != "" {
				r.setup.remark(v.Place, "%s: %s", key, why)
			}
		}
	}
}
