package legacy

// rcArgument is what stands behind an option of a fetchmailrc.
type rcArgument uint8

const (
	rcNone rcArgument = iota
	rcWord
	rcList  // words up to the next keyword
	rcNames // local names, perhaps as server=local
)

// rcOption is one option: its names, what follows it, and what it sets. Where
// it has no counterpart it has a reason instead.
type rcOption struct {
	names  string // separated by blanks
	arg    rcArgument
	server bool // it belongs to the server, not to the user
	set    func(p *rcPoll, args []string)
	off    func(p *rcPoll) // behind "no"
	why    string
}

// Reasons that several options share.
const (
	sameOctets   = "popferry forwards the octets as the server has them; nothing to do"
	paces        = "popferry finds its own pace, and deletes at the end of a session; nothing to do"
	oneMailbox   = "popferry forwards all mail of a mailbox to the addresses in to; it sorts none by its header. Let the destination sort it"
	noKerberos   = "popferry has no such login; see auth in config.example.yaml"
	noCommands   = "popferry runs no commands around a poll; do it where popferry is started"
	forIMAP      = "it is for IMAP; nothing to do"
	noInterfaces = "popferry does not look at network interfaces; nothing to do where a poll may fail and be tried again"
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
		{names: "uidl dns checkalias tracepolls"}, // as popferry does it, or of no consequence
		{names: "local localdomains aka", arg: rcList, why: oneMailbox},
		{names: "envelope", arg: rcList, why: oneMailbox, off: func(*rcPoll) {}},
		{names: "qvirtual", arg: rcWord, why: oneMailbox},
		{names: "interface monitor", arg: rcWord, why: noInterfaces},
		{names: "plugin", arg: rcWord, why: "popferry makes its connections itself; keep the tunnel running and set host and port to its end"},
		{names: "plugout", arg: rcWord, why: "popferry makes its connections itself; set host and port under forward"},
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
		{names: "sslcertpath", arg: rcWord, why: "popferry takes the system's authorities; for one of your own set tls_ca_file to its file"},
		{names: "sslfingerprint", arg: rcWord, why: "it is an MD5, which can be forged; set tls_pin to the certificate's SHA-256 if its authority is unknown"},
		{names: "smtp smtphost", arg: rcList, set: func(p *rcPoll, a []string) { p.user.smtpHosts = a }},
		{names: "lmtp", set: func(p *rcPoll, _ []string) { p.user.lmtp = true }, off: func(p *rcPoll) { p.user.lmtp = false }},
		{names: "smtpaddress", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.smtpAddress = a[0] }},
		{names: "smtpname", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.smtpName = a[0] }},
		{names: "mda", arg: rcWord, set: func(p *rcPoll, _ []string) { p.user.mda = "mda" }},
		{names: "bsmtp", arg: rcWord, set: func(p *rcPoll, _ []string) { p.user.mda = "bsmtp" }},
		{names: "limit", arg: rcWord, set: func(p *rcPoll, a []string) { p.user.limit = a[0] }},
		{names: "fetchall", off: func(*rcPoll) {}, why: "popferry never forwards a message twice; nothing to do"},
		{names: "flush limitflush", off: func(*rcPoll) {}, why: "popferry deletes nothing that was not forwarded; nothing to do"},
		{names: "rewrite stripcr forcecr pass8bits mimedecode dropstatus dropdelivered", off: func(*rcPoll) {}, why: sameOctets},
		{names: "batchlimit fetchlimit fetchsizelimit fastuidl expunge", arg: rcWord, off: func(*rcPoll) {}, why: paces},
		{names: "warnings", arg: rcWord, why: "popferry shows what was too large in popferry status and messages"},
		{names: "antispam", arg: rcList, why: "what a destination refuses stays on its server; see on_reject"},
		{names: "preconnect postconnect", arg: rcWord, why: noCommands},
		{names: "folder folders", arg: rcList, why: forIMAP},
		{names: "idle", off: func(*rcPoll) {}, why: forIMAP},
		{names: "fetchdomains", arg: rcList, why: "it is for ETRN and ODMR; nothing to do"},
		{names: "properties", arg: rcWord}, // fetchmail itself ignores it
	}
}
