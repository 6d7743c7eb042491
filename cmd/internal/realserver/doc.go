// Package realserver starts real mail servers for tests. Sources of mail (POP3)
// are Dovecot, Courier and GNU Mailutils; destinations are Dovecot (LMTP, IMAP), Cyrus
// (LMTP), Postfix, Exim and OpenSMTPD (SMTP). Proxies between them are Dante,
// microsocks (SOCKS5), tinyproxy and Squid (HTTP).
//
// Each server has its own scratch folder and its own loopback address, always
// with the same ports: nothing can take a port while a server is stopped to
// simulate an outage, and tests can run in parallel. At the end of the test the
// servers are stopped and the folders removed; if the test failed, the logs are
// shown first. Nothing leaves the machine.
//
// Dovecot and Postfix are Debian's packages dovecot-pop3d, dovecot-lmtpd,
// dovecot-imapd and postfix, of Debian 12 or later. The others conflict with Postfix as packages: they
// are unpacked by .ci/unpack, and run in a root folder of their own. If servers are
// missing the tests are skipped, or fail if POPFERRY_REQUIRE_SERVERS is 1. Dovecot
// can be started by any user; the others only by root.
//
//	d := realserver.StartDovecot(t)
//	d.AddUser("leo", "secret")
//	d.Seed("leo", message)
//	p := realserver.StartPostfix(t, d)
//	p.AddUser("inbox", "secret")
//	// forward from d.POP3S() to inbox@popferry.test at p.Submission()
//	err := p.WaitDelivered(ctx, "inbox", 1)
//	for octets := range p.Delivered("inbox") { ... }
//
// Messages stay the same octet for octet: Dovecot serves seeded messages with
// CRLF line ends unchanged, and Delivered removes the lines that the delivering
// server adds at the top. The exception: Postfix treats every CR before a CRLF as
// a part of the line end.
package realserver
