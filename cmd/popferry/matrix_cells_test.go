package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

func matrixCells() []matrixCell {
	return []matrixCell{
		{
			name: "Dovecot to Postfix with Dovecot LMTP", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				d := realserver.StartDovecot(t)
				p := realserver.StartPostfix(t, d, realserver.DebianDefaults(), realserver.DeliverTo(d.LMTPSocket()))
				return fromDovecot(d, mail), toPostfix(t, p, matrixTarget{mail: d.Stored})
			},
			stays: stays(always(), map[string]string{"12 MB": "held: the server takes only 10240000"}),
			changes: append(postfixChanges(), "the body is changed", "the body is changed in line ends and spaces",
				"x-long is changed in line ends and spaces"), // its LMTP client folds lines above 998 octets
		},
		{
			name: "Dovecot to Postfix with Dovecot LMTP from the original senders", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				d := realserver.StartDovecot(t)
				p := realserver.StartPostfix(t, d, realserver.DebianDefaults(), realserver.DeliverTo(d.LMTPSocket()))
				target := toPostfix(t, p, matrixTarget{mail: d.Stored})
				target.forward = fmt.Sprintf("{%s, tls: none, from: original, to: [inbox@popferry.test]}", testworld.HostPort(t, p.SMTP()))
				return fromDovecot(d, mail), target
			},
			stays:   stays(always(), senderRefused(), map[string]string{"12 MB": "held: the server takes only 10240000"}),
			changes: append(postfixChanges(), "the body is changed in line ends and spaces", "x-long is changed in line ends and spaces"),
		},
		{
			name: "Dovecot to Postfix local", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				d := realserver.StartDovecot(t)
				p := realserver.StartPostfix(t, d, realserver.DebianDefaults(), realserver.LocalDelivery())
				return fromDovecot(d, mail), toPostfix(t, p, matrixTarget{mail: p.Stored})
			},
			stays:   stays(always(), map[string]string{"12 MB": "held: the server takes only 10240000"}),
			changes: append(postfixChanges(), "the body is changed in line ends and spaces"), // bare CR
		},
		{
			name: "Dovecot to Dovecot LMTP", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				d := realserver.StartDovecot(t)
				return fromDovecot(d, mail), toDovecot(d)
			},
			stays: stays(always(), senderRefused()),
		},
		{
			name: "Dovecot to Exim", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				e := realserver.StartExim(t)
				e.AddUser("inbox")
				e.AddUser("bounces")
				return fromDovecot(realserver.StartDovecot(t), mail), matrixTarget{forward: smtpForward(t, e.SMTP()), mail: e.Stored, idle: e.WaitIdle}
			},
			stays: stays(always(), map[string]string{
				"999 octets in a line": "held: maximum allowed line length", "2100 octets in a line": "held: maximum allowed line length",
				"70000 octets in a line": "held: maximum allowed line length", "8 bit at octet 998": "held: maximum allowed line length",
				"1500 octets in a header line": "held: maximum allowed line length",
				"utf-8 in an address":          "held: header syntax",
				"comma in From":                "held: header syntax",
				"From that is no address":      "held: header syntax",
			}),
			changes: []string{
				"delivery-date is removed", "envelope-to is removed", "return-path is removed",
				"fields have another order",                                                                // those without a body
				"the body is changed in line ends and spaces", "x-note is changed in line ends and spaces", // bare CR
				"the header ends early", // at a line that is not a field
				"x-note is changed",     // NUL
			},
		},
		{
			name: "Dovecot to OpenSMTPD", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				o := realserver.StartOpenSMTPD(t, "inbox", "bounces")
				return fromDovecot(realserver.StartDovecot(t), mail), matrixTarget{forward: smtpForward(t, o.SMTP()), mail: o.Stored, idle: o.WaitIdle}
			},
			stays: stays(always(), falseEnd(), map[string]string{
				"70000 octets in a line":  "held: Line too long",
				"text without a header":   "held: not RFC 2822 compliant",
				"a line that is no field": "held: not RFC 2822 compliant",
			}),
			changes: []string{
				"bcc is removed",
				"from is changed", "to is changed", "cc is changed", // its name is appended to what has no domain
				"x-note is changed", "the body is changed", "the body is cut short", // lines end at NUL
			},
		},
		{
			name: "Dovecot to Cyrus LMTP",
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				c := realserver.StartCyrus(t)
				return fromDovecot(realserver.StartDovecot(t), mail), matrixTarget{
					forward: fmt.Sprintf(`{%s, protocol: lmtp, tls: none, to: [inbox@popferry.test]}`, testworld.HostPort(t, c.LMTP())),
					mail:    c.Stored,
					idle:    func(context.Context) error { return nil },
				}
			},
			stays: stays(always(), falseEnd(), senderRefused(), map[string]string{
				"NUL": "held: NUL characters", "NUL in the header": "held: NUL characters", "binary": "held: NUL characters",
				"mbox line in the header": "held: invalid header", "bare CR in the header": "held: invalid header",
				"text without a header": "held: invalid header", "a line that is no field": "held: invalid header",
				"field without a name": "held: invalid header", "empty fields": "held: invalid header",
			}),
			changes: cyrusChanges(),
		},
		{
			name: "Dovecot to Dovecot IMAP", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				d := realserver.StartDovecotIMAP(t)
				d.AddUser("inbox", "secret")
				return fromDovecot(d, mail), toIMAP(t, d.IMAP(), d.Stored)
			},
			stays:   stays(always()),
			changes: binaryChanges(),
		},
		{
			name: "Dovecot to Cyrus IMAP", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				c := realserver.StartCyrusIMAP(t)
				return fromDovecot(realserver.StartDovecot(t), mail), toIMAP(t, c.IMAP(), c.Stored)
			},
			stays: stays(always(), map[string]string{
				"NUL in the header":     "held: NUL characters",
				"text without a header": "held: invalid header", "a line that is no field": "held: invalid header",
				"space before the colon": "held: invalid header", "field without a name": "held: invalid header",
			}),
			changes: append(binaryChanges(), "from is changed", "subject is changed", "x-note is changed"), // 8-bit octets become X
		},
		{
			name: "Dovecot to Courier IMAP", usual: true,
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				c := realserver.StartCourierIMAP(t, "inbox")
				return fromDovecot(realserver.StartDovecot(t), mail), toIMAP(t, c.IMAP(), c.Stored)
			},
			stays: stays(always(), map[string]string{
				"NUL": "held: BINARY", "NUL in the header": "held: BINARY", "NUL before a dot": "held: BINARY", "binary": "held: BINARY",
			}),
			changes: []string{
				"delivered-to is added",
				"the body is changed in line ends and spaces", "x-note is changed in line ends and spaces", "return-path is changed in line ends and spaces", // bare CR
			},
		},
		{
			name: "Dovecot to Postfix with Cyrus LMTP",
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				d, c := realserver.StartDovecot(t), realserver.StartCyrus(t)
				p := realserver.StartPostfix(t, d, realserver.DebianDefaults(), realserver.DeliverTo(c.LMTP()))
				return fromDovecot(d, mail), toPostfix(t, p, matrixTarget{mail: c.Stored})
			},
			stays:   stays(always(), map[string]string{"12 MB": "held: the server takes only 10240000"}),
			changes: append(append(postfixChanges(), cyrusChanges()...), "x-long is changed in line ends and spaces"),
			without: []string{"NUL", "NUL before a dot", "binary", "empty fields"},
		},
		{
			name: "Courier to Dovecot LMTP",
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				c, d := realserver.StartCourierPOP3(t, "isp"), realserver.StartDovecot(t)
				for _, m := range mail {
					c.Seed("isp", []byte(m.octets))
				}
				return matrixSource{addr: c.POP3(), user: "isp", password: "secret"}, toDovecot(d)
			},
			stays: stays(always(), senderRefused()),
		},
		{
			name: "Mailutils to Dovecot LMTP",
			start: func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget) {
				m, d := realserver.StartMailutilsPOP3(t, "isp"), realserver.StartDovecot(t)
				for _, one := range mail {
					m.Seed("isp", []byte(one.octets))
				}
				return matrixSource{addr: m.POP3(), user: "isp", password: "secret", number: m.Number}, toDovecot(d)
			},
			stays: stays(always(), senderRefused()),
			changes: []string{
				"x-uidl is added",
				">from ann@example.org sun nov 22 08 is added", "from ann@example.org sun nov 22 08 is removed", "the body is changed", // mbox lines
				"a line that is no field is removed", "x-below is removed",
				"x-other is changed in line ends and spaces", "x-space is changed in line ends and spaces",
				"from is changed in line ends and spaces", "to is changed in line ends and spaces", "subject is changed in line ends and spaces",
				"date is changed in line ends and spaces", "message-id is changed in line ends and spaces", // empty fields
			},
			noFolder: true,
			// It finds no end of these in an mbox file.
			without: []string{"empty", "only a line end", "an empty line first", "text without a header", "header without a body",
				"header without a line end", "folded line first", "dot at the beginning"},
		},
	}
}

// cyrusChanges are what Cyrus does to mail.
func cyrusChanges() []string {
	return []string{
		"date is added", "message-id is added", "return-path is removed",
		"from is changed", "subject is changed", "x-note is changed", // 8-bit octets become X
		"the body is changed in line ends and spaces", "from is added", "subject is added", // bare CR
	}
}

// always are the messages that no destination gets: popferry suspects a mail loop,
// or the message ends at a dot that the POP3 server does not stuff, because it is
// the first octet.
func always() map[string]string {
	return map[string]string{
		"dot at the beginning": "held: did not arrive whole",
		"29 hops":              "held: 29 Received lines", "31 hops": "held: 31 Received lines",
		"49 hops": "held: 49 Received lines", "120 hops": "held: 120 Received lines",
	}
}

// falseEnd are the messages that a destination without CHUNKING does not get.
func falseEnd() map[string]string {
	const why = "held: does not announce CHUNKING"
	return map[string]string{"dot between bare CRs": why, "NUL before a dot": why}
}

// senderRefused are the messages whose own sender is not an address.
func senderRefused() map[string]string {
	return map[string]string{
		"return path that is none": "held: is not a mail address",
		"doubled brackets":         "held: is not a mail address",
		"return path with spaces":  "held: is not a mail address",
	}
}

func stays(all ...map[string]string) map[string]string {
	sum := make(map[string]string)
	for _, some := range all {
		maps.Copy(sum, some)
	}
	return sum
}

// postfixChanges are what Postfix does to mail from a client on one of its own
// addresses.
func postfixChanges() []string {
	return []string{
		"date is added", "from is added", "message-id is added", "resent-date is added", "resent-from is added", "resent-message-id is added",
		"bcc is removed", "content-length is removed", "resent-bcc is removed", "return-path is removed",
		"from is changed", "to is changed", // a domain is appended to words that look like an address
		"x-long is changed",                                                                        // cut after header_size_limit
		"x-note is changed",                                                                        // NULs are removed
		"x-note is changed in line ends and spaces",                                                // bare CR
		"x-other is changed in line ends and spaces", "x-space is changed in line ends and spaces", // the space before the colon
		"the header ends early",                                     // at a line that is not a field
		"a line that is no field is removed", "the body is changed", // text without a header becomes the body
	}
}

// fromDovecot puts mail into a mailbox of Dovecot.
func fromDovecot(d *realserver.Dovecot, mail []oddMessage) matrixSource {
	d.AddUser("isp", "secret")
	for _, m := range mail {
		d.Seed("isp", []byte(m.octets))
	}
	return matrixSource{addr: d.POP3(), user: "isp", password: "secret"}
}

// toDovecot forwards to Dovecot's LMTP, from the original senders.
func toDovecot(d *realserver.Dovecot) matrixTarget {
	d.AddUser("inbox", "secret")
	return matrixTarget{
		forward: fmt.Sprintf(`{host: "unix:%s", protocol: lmtp, to: [inbox@popferry.test]}`, d.LMTPSocket()),
		mail:    d.Stored,
		idle:    func(context.Context) error { return nil },
	}
}

// binaryChanges are what IMAP servers with BINARY do to mail, and what popferry does
// not do there.
func binaryChanges() []string {
	return []string{
		"content-transfer-encoding is changed", "the body is changed", // a part that is binary is encoded (RFC 3516)
		"delivered-to is added", // it is not removed: no mail system follows that looks for loops
	}
}

// toIMAP puts mail into the inbox of a user by IMAP.
func toIMAP(t *testing.T, addr string, mail func(user string) iter.Seq[[]byte]) matrixTarget {
	t.Helper()
	return matrixTarget{
		forward: fmt.Sprintf("{%s, protocol: imap, tls: none, auth: login, username: inbox, password: secret}", testworld.HostPort(t, addr)),
		mail:    mail,
		idle:    func(context.Context) error { return nil },
	}
}

// toPostfix forwards to Postfix without a login.
func toPostfix(t *testing.T, p *realserver.Postfix, m matrixTarget) matrixTarget {
	p.AddUser("inbox", "secret")
	p.AddUser("bounces", "secret")
	m.forward, m.idle = smtpForward(t, p.SMTP()), p.WaitIdle
	return m
}

// smtpForward is a destination without login, whose envelope sender has a mailbox
// there.
func smtpForward(t *testing.T, addr string) string {
	t.Helper()
	return fmt.Sprintf("{%s, tls: none, from: bounces@popferry.test, to: [inbox@popferry.test]}", testworld.HostPort(t, addr))
}
