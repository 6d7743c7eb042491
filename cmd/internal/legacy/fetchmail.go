package legacy

import (
	"cmp"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

// fetchmailPlaces is where fetchmail looks for its fetchmailrc (fetchmail(1),
// "Files" and "Environment").
func (r *reader) fetchmailPlaces() []string {
	if dir := r.env.Getenv("FETCHMAILHOME"); dir != "" {
		return []string{filepath.Join(dir, "fetchmailrc")}
	}
	return []string{filepath.Join(r.fetchmailHome(), ".fetchmailrc"), systemFetchmailrc}
}

func (r *reader) fetchmailHome() string {
	return cmp.Or(r.env.Getenv("FETCHMAILHOME"), r.env.Getenv("HOME_ETC"), r.home())
}

// fetchmail reads a fetchmailrc, and the UIDs of what was fetched by it.
func (r *reader) fetchmail(path, text string) error {
	rc := parseFetchmailrc(path, text, r.setup)
	every := seconds(rc.daemon)
	r.setup.Schedule = cmp.Or(every, r.setup.Schedule)
	var accounts []Account
	for _, p := range rc.polls {
		if p.server.interval != "" && every == 0 {
			r.setup.remark(p.Place, "interval: it counts polls of fetchmail, and how far apart they were is not known; give the account a schedule of its own")
		}
		if a, ok := r.fetchmailAccount(p, every); ok {
			accounts = append(accounts, a)
		}
	}
	for _, ids := range r.stateFiles(r.fetchidsPlace(path, rc.idfile)) {
		text, there, err := r.readState(ids)
		if err != nil {
			return err
		}
		if there {
			r.fetchids(ids, text, accounts)
			continue
		}
		for i := range accounts {
			accounts[i].Seen.Missing = ids
		}
	}
	r.setup.Accounts = append(r.setup.Accounts, accounts...)
	return nil
}

// systemFetchmailrc is for Debian's service.
const systemFetchmailrc = "/etc/fetchmailrc"

// fetchidsPlace is where a fetchmailrc has its UIDs written. That of Debian's
// service are in its user's home, in older versions in a file of another name.
func (r *reader) fetchidsPlace(path, idfile string) string {
	const serviceHome, formerly = "/var/lib/fetchmail", ".fetchmail-UIDL-cache"
	switch {
	case idfile != "":
		return r.expand("", idfile)
	case path != systemFetchmailrc:
		return filepath.Join(r.fetchmailHome(), ".fetchids")
	case isFile(filepath.Join(serviceHome, formerly)):
		return filepath.Join(serviceHome, formerly)
	}
	return filepath.Join(serviceHome, ".fetchids")
}

// seconds reads a number of seconds; 0 if it is none.
func seconds(s string) time.Duration {
	return times(time.Second, s)
}

// times is so many gaps; 0 if that is no number, or too long.
func times(gap time.Duration, s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || gap == 0 || n > int(maxWait/gap) {
		return 0
	}
	return gap * time.Duration(n)
}

// maxWait bounds what is taken for a time: a year.
const maxWait = 365 * 24 * time.Hour

// fetchmailAccount gives an entry its meaning; not ok if it is no POP3 mailbox.
func (r *reader) fetchmailAccount(p rcPoll, every time.Duration) (Account, bool) {
	host := cmp.Or(p.server.via, p.server.name)
	a := Account{
		Place:    p.Place,
		Disabled: p.skip,
		Host:     host,
		Username: cmp.Or(p.user.remote, r.env.User),
		Password: p.user.password,
		Leave:    Leave{Keep: p.user.keep},
		Timeout:  seconds(p.server.timeout),
		Gap:      times(every, p.server.interval),
	}
	if p.server.via != "" {
		a.Name = p.server.name
	}
	if n, err := strconv.ParseInt(p.user.limit, 10, 64); err == nil {
		a.MaxSize = n
	}
	if host == "" {
		r.setup.remark(p.Place, "no server is named here; it is left out")
		return a, false
	}
	if !r.fetchmailProtocol(p, &a) {
		return a, false
	}
	r.fetchmailTLS(p, &a)
	r.fetchmailPort(p, &a)
	r.fetchmailAuth(p, &a)
	if a.Password == "" {
		r.fetchmailPassword(p, &a)
	}
	a.Delivery = r.fetchmailDelivery(p)
	return a, true
}

// fetchmailPassword looks for a password that the fetchmailrc does not have
// ("Using netrc files": by the name of the poll, then by via).
func (r *reader) fetchmailPassword(p rcPoll, a *Account) {
	file := filepath.Join(cmp.Or(r.env.Getenv("HOME_ETC"), r.home()), ".netrc")
	if a.Password = r.netrc(file, a.Username, p.server.name, p.server.via); a.Password == "" {
		r.setup.remark(p.Place, "%s at %s has no password here, nor in %s; put it into the password_file", a.Username, a.Host, file)
	}
}

// fetchmailProtocol tells whether it is POP3.
func (r *reader) fetchmailProtocol(p rcPoll, a *Account) bool {
	switch proto := strings.ToLower(p.server.proto); proto {
	case "pop3":
	case "apop":
		a.Auth = "apop"
	case "", "auto":
		r.setup.remark(p.Place, "%s names no protocol: fetchmail tries IMAP first, popferry takes it to be POP3; see that the server has that", a.Host)
	default:
		r.setup.remark(p.Place, "%s at %s is fetched by %s, and popferry fetches by POP3 alone; give the server's POP3 to popferry, or leave this one to fetchmail",
			a.Username, a.Host, strings.ToUpper(known(proto, "imap", "pop2", "kpop", "sdps", "rpop", "etrn", "odmr")))
		return false
	}
	return true
}

// known is a word if it is one of these: what stands elsewhere is not shown.
func known(word string, words ...string) string {
	for _, w := range words {
		if w == word {
			return w
		}
	}
	return "another protocol"
}

// fetchmailTLS: --ssl is TLS from the start; without it fetchmail takes STLS
// where it is offered, unless sslproto is empty.
func (r *reader) fetchmailTLS(p rcPoll, a *Account) {
	a.TLS = p.user.tls
	for _, path := range []*string{&a.TLS.CAFile, &a.TLS.CertFile, &a.TLS.KeyFile} {
		*path = r.expand("", *path)
	}
	proto := p.user.sslProto
	switch {
	case p.user.ssl:
		a.TLS.Mode = config.TLSImplicit
	case a.clear() && (proto == nil || *proto == ""):
		a.TLS.Mode = config.TLSNone
	default:
		a.TLS.Mode = config.TLSStart
		if proto == nil || *proto == "" {
			r.setup.remark(p.Place, "%s: fetchmail would send the password unencrypted where there is no STLS, popferry does not (tls: starttls); if the server has port 995, set tls: implicit", a.Host)
		}
	}
	if proto != nil {
		a.TLS.Min = map[string]string{"tls1": "1.0", "tls1+": "1.0", "tls1.1": "1.1", "tls1.1+": "1.1", "tls1.3": "1.3", "tls1.3+": "1.3"}[strings.ToLower(*proto)]
	}
	if p.user.unchecked {
		r.setup.remark(p.Place, "no sslcertck: popferry always checks whose certificate it is; if it fails for %s, it says which tls_pin to set", a.Host)
	}
}

func (r *reader) fetchmailPort(p rcPoll, a *Account) {
	switch n, err := strconv.Atoi(p.server.port); {
	case p.server.port == "", p.server.port == "pop3", p.server.port == "pop3s":
	case err == nil && n > 0 && n < 65536:
		a.Port = n
	default:
		r.setup.remark(p.Place, "service: it is neither a number nor pop3 nor pop3s; set port")
	}
}

func (r *reader) fetchmailAuth(p rcPoll, a *Account) {
	switch p.server.auth {
	case "", "any", "password":
	case "cram-md5", "external":
		a.Auth = p.server.auth
	default:
		r.setup.remark(p.Place, "auth: %s", noKerberos)
	}
}

// fetchmailDelivery: without anything else, mail goes to the local user at
// this machine's SMTP server.
func (r *reader) fetchmailDelivery(p rcPoll) Delivery {
	if p.user.mda != "" {
		r.setup.remarkOnce(p.Place, "%s: popferry hands mail to an SMTP or LMTP server; name one under forward, best the one whose mailbox that command fills", p.user.mda)
		return Delivery{}
	}
	hosts := p.user.smtpHosts
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	if len(hosts) > 1 {
		r.setup.remark(p.Place, "smtphost: popferry has one destination an account; it takes the first one, %s", hosts[0])
	}
	d := Delivery{LMTP: p.user.lmtp, Username: p.server.esmtpName, Password: p.server.esmtpPassword}
	domain := "localhost"
	if strings.HasPrefix(hosts[0], "/") {
		d.Host, d.LMTP = "unix:"+hosts[0], true
	} else {
		host, port, _ := strings.Cut(hosts[0], "/")
		d.Host, domain = host, host
		var err error
		if d.Port, err = strconv.Atoi(cmp.Or(port, "25")); err != nil {
			r.setup.remark(p.Place, "smtphost: the port of %s is no number; set port under forward", host)
		}
	}
	if _, here := tlsOf(d.Host, d.Port); !here {
		r.setup.remark(p.Place, "smtphost: mail went to %s unencrypted, popferry does not (see tls under forward); write tls: none only for a network of your own", d.Host)
	}
	if net.ParseIP(domain) != nil {
		domain = "[" + domain + "]" // RFC 5321 4.1.3
	}
	d.To = r.fetchmailRecipient(p, cmp.Or(p.user.smtpAddress, domain))
	return d
}

// fetchmailRecipient is the one address that mail goes to, "" if it depends on
// the message.
func (r *reader) fetchmailRecipient(p rcPoll, domain string) string {
	names := p.user.names
	switch {
	case p.user.smtpName != "":
		return p.user.smtpName
	case len(names) == 0:
		names = []string{r.env.User}
	case len(names) > 1 || names[0] == "*" || strings.Contains(names[0], "="):
		r.setup.remark(p.Place, "is, to: %s", oneMailbox)
		return ""
	}
	if strings.Contains(names[0], "@") {
		return names[0]
	}
	return names[0] + "@" + domain
}
