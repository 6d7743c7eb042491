package legacy

import "slices"

// rcArgument is the kind of argument of an option in a fetchmailrc.
type rcArgument uint8

const (
	rcNone rcArgument = iota
	rcWord
	rcList  // words up to the next keyword
	rcNames // local names, perhaps as server=local
)

// rcOption is an option: its names, its arguments, and what it sets. If it has no
// counterpart in popferry, why is the remark.
type rcOption struct {
	names  string // separated by spaces
	arg    rcArgument
	server bool // an option of the server, not of the user
	set    func(p *rcPoll, args []string)
	off    func(p *rcPoll) // for no OPTION
	why    string
}

// Reasons that several options share.
const (
	sameOctets   = "popferry forwards messages unchanged" + nothingToDo
	paces        = "popferry sets its own pace and deletes at the end of a session" + nothingToDo
	noKerberos   = "popferry does not support this login method; see auth in popferry help example"
	noCommands   = "popferry runs no commands before or after a poll; run them where popferry is started"
	forIMAP      = "only for IMAP" + nothingToDo
	noInterfaces = "popferry does not check network interfaces; polls fail while the network is down, and are tried again"
)

// rcOptions are the options of fetchmail 6.4, from fetchmail(1), "Keyword/Option
// Summary".
func rcOptions() []rcOption {
	return append(rcServerOptions(), rcUserOptions()...)
}

func rcServerOptions() []rcOption {
	server := []rcOption{
		{names: "via", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.via = a[0] }},
		{names: "proto protocol", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.proto = a[0] }},
		{names: "port service", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.port = a[0] }},
		{names: "auth authenticate", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.auth = a[0] }},
		{names: "timeout", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.timeout = a[0] }},
		{names: "interval", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.interval = a[0] }},
		{names: "dns", set: func(p *rcPoll, _ []string) { p.server.dns = true }, off: func(p *rcPoll) { p.server.dns = false }},
		{names: "uidl checkalias tracepolls"}, // popferry does the same, or it makes no difference
		{names: "local localdomains", arg: rcList, set: func(p *rcPoll, a []string) { p.server.localDomains = slices.Concat(p.server.localDomains, a) }},
		{names: "aka", arg: rcList, set: func(p *rcPoll, a []string) { p.server.aka = slices.Concat(p.server.aka, a) }},
		{names: "envelope", arg: rcList, set: func(p *rcPoll, a []string) { p.server.setEnvelope(a) }, off: func(p *rcPoll) { p.server.setEnvelope([]string{""}) }},
		{names: "qvirtual", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.qvirtual = a[0] }},
		{names: "interface", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.device = a[0] }},
		{names: "monitor", arg: rcWord, why: noInterfaces},
		{names: "plugin", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.plugin = a[0] }},
		{names: "plugout", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.plugout = a[0] }},
		{names: "principal", arg: rcWord, why: noKerberos},
		{names: "esmtpname", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.esmtpName = a[0] }},
		{names: "esmtppassword", arg: rcWord, set: func(p *rcPoll, a []string) { p.server.esmtpPassword = Secret(a[0]) }},
		{names: "bad-header badheader", arg: rcWord, why: sameOctets},
	}
	for i := range server {
		server[i].server = true
	}
	return server
}

func rcUserOptions() []rcOption {
	return []rcOption{
		{names: "pass password", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.password = Secret(a[0]) }},
		{names: "is to", arg: rcNames, set: func(p *rcPoll, a []string) { p.user.addNames(a) }},
		{names: "keep", set: func(p *rcPoll, _ []string) { p.user.keep = true }, off: func(p *rcPoll) { p.user.keep = false }},
		{names: "ssl", set: func(p *rcPoll, _ []string) { p.user.ssl = true }, off: func(p *rcPoll) { p.user.ssl = false }},
		{names: "sslproto", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.sslProto = &a[0] }},
		{names: "sslcert", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.tls.CertFile = a[0] }},
		{names: "sslkey", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.tls.KeyFile = a[0] }},
		{names: "sslcertfile", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.tls.CAFile = a[0] }},
		{names: "sslcommonname", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.tls.ServerName = a[0] }},
		{names: "sslcertck", off: func(p *rcPoll) { p.user.unchecked = true }},
		{names: "sslcertpath", arg: rcWord, why: "popferry uses the system's authorities; for your own, set tls_ca_file to its certificate"},
		{names: "sslfingerprint", arg: rcWord, why: "MD5 fingerprints can be forged; if the certificate's authority is unknown, set tls_pin to its SHA-256"},
		{names: "smtp smtphost", arg: rcList, set: func(p *rcPoll, a []string) { p.user.smtpHosts = a }},
		{names: "lmtp", set: func(p *rcPoll, _ []string) { p.user.lmtp = true }, off: func(p *rcPoll) { p.user.lmtp = false }},
		{names: "smtpaddress", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.smtpAddress = a[0] }},
		{names: "smtpname", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.smtpName = a[0] }},
		{names: "mda", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.mda, p.user.agent = "mda", a[0] }},
		{names: "bsmtp", arg: rcWord, set: func(p *rcPoll, _ []string) { p.user.mda = "bsmtp" }},
		{names: "limit", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.limit = a[0] }},
		{names: "fetchall", off: func(*rcPoll) {}, why: "popferry never forwards a message twice" + nothingToDo},
		{names: "flush limitflush", off: func(*rcPoll) {}, why: "popferry deletes only what it has forwarded" + nothingToDo},
		{names: "rewrite stripcr forcecr pass8bits mimedecode dropstatus dropdelivered", off: func(*rcPoll) {}, why: sameOctets},
		{names: "fetchlimit", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.most = a[0] }, off: func(p *rcPoll) { p.user.most = "" }},
		{names: "batchlimit fetchsizelimit fastuidl expunge", arg: rcWord, off: func(*rcPoll) {}, why: paces},
		{names: "warnings", arg: rcWord, why: "popferry status and popferry messages show messages that are too large"},
		{names: "antispam", arg: rcList, why: "mail that the destination refuses stays on the POP3 server; see on_reject"},
		{names: "preconnect postconnect", arg: rcWord, why: noCommands},
		{names: "folder folders", arg: rcList, why: forIMAP},
		{names: "idle", off: func(*rcPoll) {}, why: forIMAP},
		{names: "fetchdomains", arg: rcList, why: "only for ETRN and ODMR" + nothingToDo},
		{names: "properties", arg: rcWord}, // fetchmail itself ignores it
	}
}
