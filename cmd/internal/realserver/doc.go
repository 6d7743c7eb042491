// Package realserver starts real mail servers for tests: Dovecot as the source
// of mail (POP3) and as a destination (LMTP), Postfix as a destination (SMTP).
//
// Each server lives in a scratch folder of its own and listens on a loopback
// address of its own, always on the same ports: nothing can take a port away
// while a server is stopped to play an outage, and tests run in parallel. The
// end of the test stops the servers and removes the folder; if the test
// failed, their logs are shown first. Nothing leaves the machine.
//
// The servers are Debian's packages dovecot-pop3d, dovecot-lmtpd and postfix,
// at least as old as Debian 12's. Where they are missing the tests are
// skipped, unless POPFERRY_REQUIRE_SERVERS is set to 1. Postfix runs only as
// root; Dovecot as anybody.
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
// What a mailbox holds goes in and comes out octet for octet: Dovecot serves
// what was seeded with CRLF line ends unchanged, and Delivered takes off the
// lines that the delivering server put on top. One thing cannot be had: Postfix
// takes every CR before a CRLF as a part of the line's end.
package realserver
