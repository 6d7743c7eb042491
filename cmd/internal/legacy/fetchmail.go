package legacy

import (
	"cmp"
	"math"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

// fetchmailPlaces returns where fetchmail looks for its fetchmailrc (fetchmail(1),
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

// fetchmail reads a fetchmailrc, and the UIDs of the messages that were fetched.
func (r *reader) fetchmail(path, text string) error {
	rc := parseFetchmailrc(path, text, r.setup)
	every := seconds(rc.daemon)
	r.setup.Schedule = cmp.Or(every, r.setup.Schedule)
	var accounts []Account
	for i, p := range rc.polls {
		p.server.postmaster = rc.postmaster
		before, account := len(r.setup.Remarks), -1
		if p.server.interval != "" && every == 0 {
			r.setup.remark(p.Place, "interval: this counts polls, and their interval is not known; set schedule for the account")
		}
		if a, ok := r.fetchmailAccount(p, every); ok {
			account = len(r.setup.Accounts) + len(accounts)
			accounts = append(accounts, a)
		}
		r.setup.assign(before, account)
		end := math.MaxInt
		if i+1 < len(rc.polls) {
			end = rc.polls[i+1].from
		}
		r.setup.assignLines(path, p.from, end, account) // what the parser has said
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

// systemFetchmailrc is the configuration of Debian's service.
const systemFetchmailrc = "/etc/fetchmailrc"

// fetchidsPlace returns where fetchmail stores UIDs for a fetchmailrc. Debian's
// service stores them in its home folder, older versions under another name.
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

// seconds reads a number of seconds; 0 if it is not a number.
func seconds(s string) time.Duration {
	return multiple(time.Second, s)
}

// multiple returns s times a unit; 0 if s is not a number, or the result is longer
// than maxWait.
func multiple(unit time.Duration, s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || unit == 0 || n > int(maxWait/unit) {
		return 0
	}
	return unit * time.Duration(n)
}

// maxWait bounds durations: a year.
const maxWait = 365 * 24 * time.Hour

// fetchmailAccount converts an entry; not ok if it is not a POP3 mailbox.
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
		Gap:      multiple(every, p.server.interval),
	}
	if p.server.via != "" {
		a.Name = p.server.name
	}
	if n, err := strconv.ParseInt(p.user.limit, 10, 64); err == nil {
		a.MaxSize = n
	}
	a.Most = mostMessages(p.user.most)
	if host == "" {
		r.setup.remark(p.Place, "no server is named here; the entry is ignored")
		return a, false
	}
	if !r.fetchmailProtocol(p, &a) {
		return a, false
	}
	a.Route = r.fetchmailRoute(p)
	r.fetchmailTLS(p, &a)
	r.fetchmailPort(p, &a)
	r.fetchmailAuth(p, &a)
	if a.Password == "" {
		r.fetchmailPassword(p, &a)
	}
	r.fetchmailDelivery(p, &a)
	return a, true
}

// mostMessages reads how many messages a poll may fetch; 0: all, or not a number.
func mostMessages(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 10_000_000 { // as many as config takes
		return 0
	}
	return n
}

// fetchmailPassword looks for a password in .netrc (fetchmail(1), "Using netrc
// files": by the name of the poll, then by via).
func (r *reader) fetchmailPassword(p rcPoll, a *Account) {
	file := filepath.Join(cmp.Or(r.env.Getenv("HOME_ETC"), r.home()), ".netrc")
	if a.Password = r.netrc(file, a.Username, p.server.name, p.server.via); a.Password == "" {
		r.setup.todo(p.Place, "%s at %s has no password here or in %s; write it to the password_file", a.Username, a.Host, file)
	}
}

// fetchmailProtocol reports whether the protocol is POP3.
func (r *reader) fetchmailProtocol(p rcPoll, a *Account) bool {
	switch proto := strings.ToLower(p.server.proto); proto {
	case "pop3":
	case "apop":
		a.Auth = "apop"
	case "", "auto":
		r.setup.remark(p.Place, "%s: no protocol is set, so fetchmail tries IMAP first; popferry uses POP3, so check that the server offers it", a.Host)
	default:
		r.setup.remark(p.Place, "%s at %s uses %s, but popferry supports only POP3; set up the server's POP3 access in popferry, or keep fetchmail for this account",
			a.Username, a.Host, strings.ToUpper(protocolName(proto, "imap", "pop2", "kpop", "sdps", "rpop", "etrn", "odmr")))
		return false
	}
	return true
}

// protocolName returns a word only if it is a known one: anything else could be a
// part of a password.
func protocolName(word string, words ...string) string {
	for _, w := range words {
		if w == word {
			return w
		}
	}
	return "another protocol"
}

// fetchmailTLS: --ssl is implicit TLS. Without it fetchmail uses STLS where it is
// offered, unless sslproto is empty.
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
			r.setup.remark(p.Place, "%s: without STLS fetchmail sends the password unencrypted, popferry does not (tls: starttls); if the server has port 995, set tls: implicit", a.Host)
		}
	}
	if proto != nil {
		a.TLS.Min = map[string]string{"tls1": "1.0", "tls1+": "1.0", "tls1.1": "1.1", "tls1.1+": "1.1", "tls1.3": "1.3", "tls1.3+": "1.3"}[strings.ToLower(*proto)]
	}
	if p.user.unchecked {
		r.setup.remark(p.Place, "no sslcertck: popferry always verifies certificates; if that fails for %s, it says which tls_pin to set", a.Host)
	}
}

func (r *reader) fetchmailPort(p rcPoll, a *Account) {
	switch n, err := strconv.Atoi(p.server.port); {
	case p.server.port == "", p.server.port == "pop3", p.server.port == "pop3s":
	case err == nil && n > 0 && n < 65536:
		a.Port = n
	default:
		r.setup.remark(p.Place, "service: not a number, pop3 or pop3s; set port")
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

// fetchmailDelivery: by default, mail goes to the local user through the SMTP
// server on this machine.
func (r *reader) fetchmailDelivery(p rcPoll, a *Account) {
	switch p.user.mda {
	case "mda":
		a.Multidrop = r.fetchmailMultidrop(p, localServer)
		user := ""
		if a.Multidrop == nil {
			user = strings.TrimSuffix(r.fetchmailRecipient(p, localServer), "@"+localServer)
		}
		a.Delivery = r.agent(p.Place, p.user.mda, p.user.agent, user)
		if a.Multidrop != nil {
			a.Delivery.To = ""
		}
		return
	case "bsmtp":
		a.Delivery = r.instead(p.Place, "bsmtp: popferry does not write files of SMTP commands", way{})
		return
	}
	hosts := p.user.smtpHosts
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	if len(hosts) > 1 {
		r.setup.remarkAbout(ofServer, p.Place, "smtphost: an account has one destination in popferry; the first one is used: %s", hosts[0])
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
			r.setup.remarkAbout(ofServer, p.Place, "smtphost: the port of %s is not a number; set port under forward", host)
		}
	}
	r.fetchmailPlugout(p, &d)
	if _, here := tlsOf(d.Host, d.Port); !here {
		r.setup.remarkAbout(ofServer, p.Place, "smtphost: fetchmail sent mail to %s unencrypted, popferry does not (see tls under forward); set tls: none only on a network that you trust", d.Host)
	}
	if net.ParseIP(domain) != nil {
		domain = "[" + domain + "]" // RFC 5321 4.1.3
	}
	domain = cmp.Or(p.user.smtpAddress, domain)
	if a.Multidrop = r.fetchmailMultidrop(p, domain); a.Multidrop == nil {
		d.To = r.fetchmailRecipient(p, domain)
	}
	a.Delivery = d
}

// fetchmailRecipient returns the address that all mail goes to. Of a mapping
// server=local, which means nothing for a single name, fetchmail takes the first.
func (r *reader) fetchmailRecipient(p rcPoll, domain string) string {
	if p.user.smtpName != "" {
		return p.user.smtpName
	}
	name := r.env.User
	if len(p.user.names) > 0 {
		name, _, _ = strings.Cut(p.user.names[0], "=")
	}
	if strings.Contains(name, "@") {
		return name
	}
	return name + "@" + domain
}
