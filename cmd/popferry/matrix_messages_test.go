package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oddMessage is a message that some mail server changes, refuses, or accepts and
// bounces.
type oddMessage struct {
	name   string
	octets string
	arrive string // as popferry hands it on, without its trace lines; "": as it is
}

// head is an ordinary header except for the empty line behind it.
func head(name string) string {
	return fmt.Sprintf("From: Ann <ann@example.org>\r\nTo: leo@example.net\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n"+
		"Message-ID: <%[1]s@example.org>\r\n", strings.ReplaceAll(name, " ", "."))
}

// odd is a message with lines added to its header.
func odd(name, lines string) oddMessage {
	return oddMessage{name: name, octets: head(name) + lines + "\r\n" + name + "\r\n"}
}

// oddTop is a message with lines on top of its header, of which popferry removes
// the first ones.
func oddTop(name, removed, lines string) oddMessage {
	rest := lines + head(name) + "\r\n" + name + "\r\n"
	return oddMessage{name: name, octets: removed + rest, arrive: rest}
}

// oddBody is a message with a body.
func oddBody(name, body string) oddMessage {
	return oddMessage{name: name, octets: head(name) + "\r\n" + body}
}

// oddBare is a message without the ordinary header.
func oddBare(name, octets string) oddMessage { return oddMessage{name: name, octets: octets} }

func received(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Received: from mx%d.example.org by mx%d.example.org with ESMTP id %d; Sun, 22 Nov 2026 07:00:00 +0000\r\n", i, i+1, i)
	}
	return b.String()
}

// oddMessages are the messages of the matrix.
func oddMessages() []oddMessage {
	const delivered = "Delivered-To: inbox@popferry.test\r\n"
	one := odd("doubled", "")
	huge := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n", 12<<20/65)
	all := []oddMessage{
		odd("plain", ""),
		one, one,

		// Headers that are not ASCII.
		odd("utf-8 in a header", "X-Note: Grüße aus Köln\r\n"),
		odd("latin-1 in a header", "X-Note: Gr\xfc\xdfe\r\n"),
		oddBare("utf-8 in an address", "From: J\u00f6rg <j\u00f6rg@ex\u00e4mple.org>\r\nTo: leo@example.net\r\nSubject: \u00e4\r\n\r\nx\r\n"),
		oddBare("latin-1 in From", "From: J\xf6rg <jorg@example.org>\r\nTo: leo@example.net\r\nSubject: \xe4\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\nx\r\n"),
		odd("8 bit in a long folded header", "X-Note: "+strings.Repeat("ü ", 200)+"\r\n\t"+strings.Repeat("é", 60)+"\r\n"),
		oddBody("8 bit in the body", "Grüße \xe4\xff\x80\r\n"),

		// What earlier deliveries wrote.
		{
			"delivered to us", delivered + head("delivered to us") + "\r\nx\r\n",
			head("delivered to us") + "\r\nx\r\n",
		},
		{
			"delivered to us below others", received(1) + delivered + received(1) + head("delivered below") + "\r\nx\r\n",
			received(1) + received(1) + head("delivered below") + "\r\nx\r\n",
		},
		odd("delivered to another", "Delivered-To: somebody@example.org\r\nX-Original-To: leo@example.net\r\n"),
		oddTop("28 hops", "", received(28)),
		oddTop("29 hops", "", received(29)),
		oddTop("31 hops", "", received(31)),
		oddTop("49 hops", "", received(49)),
		oddTop("120 hops", "", received(120)),
		oddTop("return path", "Return-Path: <ann@example.org>\r\n", ""),
		oddTop("empty return path", "Return-Path: <>\r\n", ""),
		oddTop("utf-8 return path", "Return-Path: <jörg@example.org>\r\n", ""),
		oddTop("latin-1 return path", "Return-Path: <j\xf6rg@example.org>\r\n", ""),
		oddTop("return path with IDN", "Return-Path: <ann@münchen.example>\r\n", ""),
		oddTop("return path that is none", "Return-Path: MAILER DAEMON (oops\r\n", ""),
		oddTop("doubled brackets", "Return-Path: <<ann@example.org>>\r\n", ""),
		oddTop("return path without domain", "Return-Path: <ann>\r\n", ""),
		oddTop("return path with route", "Return-Path: <@a.example,@b.example:ann@example.org>\r\n", ""),
		oddTop("return path with spaces", "Return-Path: <ann smith@example.org>\r\n", ""),
		oddTop("quoted return path", "Return-Path: <\"ann smith\"@example.org>\r\n", ""),
		oddTop("long return path", "Return-Path: <"+strings.Repeat("a", 300)+"@example.org>\r\n", ""),
		oddTop("folded return path", "Return-Path:\r\n <ann@example.org>\r\n", ""),
		oddTop("second return path", "Return-Path: <ann@example.org>\r\n", "Return-Path: <bob@example.org>\r\n"),
		odd("return path below", "Return-Path: <bob@example.org>\r\n"),
		oddTop("mbox line", "From ann@example.org Sun Nov 22 08:00:00 2026\r\n", ""),
		oddTop("quoted mbox line", ">From ann@example.org Sun Nov 22 08:00:00 2026\r\n", ""),
		odd("mbox line in the header", "From ann@example.org Sun Nov 22 08:00:00 2026\r\nX-Below: x\r\n"),
		odd("for the last delivery", "Bcc: bob@example.org\r\nContent-Length: 7\r\nEnvelope-To: leo@example.net\r\nDelivery-Date: Sun, 22 Nov 2026 08:00:00 +0000\r\n"+
			"Status: RO\r\nX-UID: 17\r\nResent-Bcc: carol@example.org\r\n"),
		odd("resent", "Resent-From: bob@example.org\r\nResent-To: leo@example.net\r\nResent-Date: Sun, 22 Nov 2026 09:00:00 +0000\r\n"),
		odd("from a list", "Sender: owner-list@example.org\r\nList-Id: <list.example.org>\r\nPrecedence: bulk\r\nX-Loop: list@example.org\r\nErrors-To: owner-list@example.org\r\n"),
		odd("trace of another popferry", "X-Popferry-Trace: id=00112233445566778899; account=0011223344556677\r\n"),

		// Lines.
		oddBody("998 octets in a line", strings.Repeat("x", 998)+"\r\n"),
		oddBody("999 octets in a line", strings.Repeat("x", 999)+"\r\n"),
		oddBody("2100 octets in a line", strings.Repeat("long ", 420)+"\r\n"),
		oddBody("70000 octets in a line", strings.Repeat("long ", 14_000)+"\r\n"),
		oddBody("8 bit at octet 998", strings.Repeat("x", 997)+strings.Repeat("ü", 20)+"\r\n"),
		odd("1500 octets in a header line", "X-Long: "+strings.Repeat("long ", 300)+"\r\n"),
		oddBody("bare CR", "one\rtwo\r\rthree\r\nfour\r\r\nfive\r\n"),
		oddBody("dot between bare CRs", "one\r.\rtwo\r.\r\nthree\r\n"),
		oddBody("NUL before a dot", "one\r\n\x00.\r\ntwo\r\n"),
		odd("bare CR in the header", "X-Note: one\rtwo\r\n"),
		oddBare("CR at the ends of header lines", "Return-Path: <ann@example.org>\rFrom: Ann <ann@example.org>\rSubject: CR\r\n\r\nx\r\n"),
		oddBody("NUL", "one\x00two\r\n\x00\r\n"),
		odd("NUL in the header", "X-Note: one\x00two\r\n"),
		oddBody("control characters", "\x01\x04\x07\x08\x0b\x0c\x1a\x1b[31m\x7f\r\n\x1a\r\n"),
		oddBody("dots", ".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n"),
		oddBare("dot at the beginning", ".\r\nx\r\n"),
		oddBody("dot at the end", "x\r\n."),
		oddBody("protocol words", "QUIT\r\n.QUIT\r\nRSET\r\n+OK\r\n-ERR\r\n250 ok\r\nBDAT 0 LAST\r\nMAIL FROM:<>\r\nFrom here\r\n>From there\r\n \t\r\n"),
		oddBody("without a final line end", "no line end"),
		oddBody("empty lines", strings.Repeat("\r\n", 50)),
		{"bare LF", strings.ReplaceAll(head("bare LF")+"\r\n.one\r\ntwo\r\n", "\r\n", "\n"), head("bare LF") + "\r\n.one\r\ntwo\r\n"},

		// Size.
		odd("header of 150 kB", strings.Repeat("X-Many: 0123456789012345678901234567890123456789\r\n", 3000)),
		odd("header field of 150 kB", "X-Long: "+strings.Repeat("01234567890123456789012345678901234567890123456789\r\n ", 3000)+"x\r\n"),
		oddBare("500 addresses", "From: ann@example.org\r\nTo: "+strings.Repeat("somebody@example.org,\r\n ", 500)+"leo@example.net\r\nSubject: 500\r\n"+
			"Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <500@example.org>\r\n\r\nx\r\n"),
		oddBody("3 MB", huge[:3<<20]+"\r\n"),
		oddBody("12 MB", huge),

		// Headers that are not as RFC 5322 wants them.
		{"empty", "", ""},
		{"only a line end", "\r\n", ""},
		oddBare("text without a header", "Just text, and no header at all.\r\nSecond line.\r\n"),
		oddBare("an empty line first", "\r\nSubject: in the body\r\n\r\nx\r\n"),
		oddBare("header without a body", head("header without a body")),
		oddBare("header without a line end", "Subject: header without a line end"),
		oddBare("folded line first", " folded\r\nSubject: folded line first\r\n\r\nx\r\n"),
		oddBare("only a subject", "Subject: only a subject\r\n\r\nx\r\n"),
		odd("a line that is no field", "this is not a header field\r\nX-Below: x\r\n"),
		odd("space before the colon", "X-Space : x\r\nX-Other\t: x\r\n"),
		odd("field without a name", ": x\r\nX-Below: x\r\n"),
		odd("blank folded lines", "X-Blank: a\r\n \t\r\n b\r\n"),
		odd("fields twice", "From: bob@example.org\r\nSubject: another\r\nMessage-ID: <another@example.org>\r\nDate: yesterday\r\n"),
		oddBare("comma in From", "From: Smith, Ann <ann@example.org>\r\nTo: leo\r\nSubject: comma in From\r\nMessage-ID: <comma@example.org>\r\n"+
			"Date: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\nx\r\n"),
		oddBare("From that is no address", "From: Ann at example <<>\r\nTo: undisclosed recipients\r\nCc: ;;,\r\nSubject: From that is no address\r\n"+
			"Message-ID: no brackets\r\nDate: never\r\n\r\nx\r\n"),
		oddBare("empty fields", "From:\r\nTo:\r\nSubject:\r\nMessage-ID:\r\nDate:\r\n\r\nx\r\n"),

		// MIME.
		oddBare("broken MIME", head("broken MIME")+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a\r\nContent-Transfer-Encoding: base64\r\n\r\n--a\r\n\r\nx\r\n--b--\r\n"),
		oddBare("8 bit under 7bit", head("8 bit under 7bit")+"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nGrüße\r\n"),
		oddBare("binary", head("binary")+"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\xfe\xff\r\n"),
		oddBare("notice of a failed delivery", "Return-Path: <>\r\nFrom: MAILER-DAEMON@example.org\r\nTo: leo@example.net\r\nSubject: Undelivered\r\nAuto-Submitted: auto-replied\r\n"+
			"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=a\r\n\r\n--a\r\n\r\nno\r\n"+
			"--a\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; example.org\r\n\r\nFinal-Recipient: rfc822; inbox@popferry.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--a--\r\n"),
		odd("signature with odd folding", "DKIM-Signature: v=1; a=rsa-sha256; d=example.org;\r\n\ts=x;h=from : to\r\n  :subject;bh=AAAA\r\n\t =;b= BBBB\r\n\tCCCC\r\n"),
	}
	all[len(all)-2].arrive = strings.TrimPrefix(all[len(all)-2].octets, "Return-Path: <>\r\n")
	return all
}

// mailFrom reads the messages of a folder.
func mailFrom(t *testing.T, folder string) (all []oddMessage) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.eml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d messages in %s, want some: %v", len(files), folder, err)
	}
	for _, path := range files {
		octets, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		arrive := strings.ReplaceAll(strings.ReplaceAll(string(octets), "\r\n", "\n"), "\n", "\r\n")
		all = append(all, oddMessage{filepath.Base(path), string(octets), lastDelivery.ReplaceAllString(arrive, "")})
	}
	return all
}

// lastDelivery matches an mbox line and a Return-Path on top of a message.
var lastDelivery = regexp.MustCompile(`^(>?From [^\n]*\n)?(?i:return-path:[^\n]*\n([ \t][^\n]*\n)*)?`)
