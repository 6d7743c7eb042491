package message

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParseHeader(t *testing.T) {
	t.Parallel()
	h := ParseHeader([]byte("Return-Path: <a@b.example>\r\nReceived: one\r\n two\r\nReceived: three\r\nX-Junk\r\n" +
		"FROM : =?utf-8?q?J=C3=BCrgen?= <j@x.example>\nSubject: =?x-unknown?q?a?= b\r\n\tc\r\nmessage-id:\r\n <1@x>\r\nDate: today\r\nX-Popferry-Trace: id=1; account=2\r\n\r\nFrom: body\r\n"))
	got := []string{h.ReturnPath, h.Received, h.MessageID, h.Date}
	if want := []string{"a@b.example", "one two", "<1@x>", "today"}; !slices.Equal(got, want) {
		t.Errorf("Return-Path, Received, Message-ID and Date are %q, want %q", got, want)
	}
	if !h.HasReturnPath || h.Hops != 2 || len(h.Traces) != 1 {
		t.Errorf("Return-Path %v, %d hops, traces %q; want true, 2, one trace", h.HasReturnPath, h.Hops, h.Traces)
	}
	e := h.Excerpt()
	if want := "Jürgen <j@x.example>"; e.From != want {
		t.Errorf("From is shown as %q, want %q", e.From, want)
	}
	if !strings.HasSuffix(e.Subject, "b c") {
		t.Errorf("Subject is shown as %q, want it to end in %q", e.Subject, "b c")
	}
}

func TestReversePathNeedsNoSMTPUTF8(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"<a@b.example>":                     "a@b.example",
		"<>":                                "",
		"<a@münchen.example>":               "a@münchen.example",
		"<jörg@b.example>":                  "",
		"<j\xf6rg@b.example>":               "",
		"<jörg>":                            "",
		"<a@m\xfcnchen.example>":            "",
		"<\"a b\"@b.example>":               "\"a b\"@b.example",
		"MAILER DAEMON (no path, but ASCII": "MAILER DAEMON (no path, but ASCII",
	} {
		h := ParseHeader([]byte("Return-Path: " + line + "\r\n\r\n"))
		if got := h.ReversePath(); got != want {
			t.Errorf("Return-Path: %s: the reverse-path is %q, want %q", line, got, want)
		}
	}
}

// TestReturnPath: only a path is one. What else the line has is kept as it is, for
// the refusal; it can never be sent.
func TestReturnPath(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		" <a@b.example>":                  "a@b.example",
		"a@b.example":                     "a@b.example",
		" <>":                             "",
		"":                                "",
		"\r\n <a@b.example>":              "a@b.example",
		" <@one.example:a@b.example>\t":   "a@b.example",
		" <\"a  b\"@b.example>":           "\"a  b\"@b.example",
		" <\"a \r\n b\"@b.example>":       "\"a  b\"@b.example",
		" <a@b.example> RET=FULL AUTH=<>": "<a@b.example> RET=FULL AUTH=<>",
		" <a@b.example>\r\n RET=FULL":     "<a@b.example> RET=FULL",
		" a@b.example SIZE=1":             "a@b.example SIZE=1",
		" <a@b.example":                   "<a@b.example",
	} {
		h := ParseHeader([]byte("Return-Path:" + line + "\r\nSubject: s\r\n\r\n"))
		if !h.HasReturnPath || h.ReturnPath != want || h.ReversePath() != want {
			t.Errorf("Return-Path:%s: %v, %q, the reverse-path is %q; want %q", line, h.HasReturnPath, h.ReturnPath, h.ReversePath(), want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{"Date: today\r\n\r\n": true, "Subject: not enough\r\n\r\n": false} {
		h := ParseHeader([]byte(header))
		if got := h.Fingerprint() != ""; got != want || h.Identifiable() != want {
			t.Errorf("%q: fingerprint %q, identifiable %v; want %v", header, h.Fingerprint(), h.Identifiable(), want)
		}
	}
}

func TestDisplayReplacesControlCharacters(t *testing.T) {
	t.Parallel()
	if got, want := display("a\x1b[31m\x00b\xff"), "a?[31m?bÿ"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}

// Copies of one message are told apart by the fields of the last delivery that name a
// recipient, and by nothing else.
func TestDelivery(t *testing.T) {
	t.Parallel()
	const received = "Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
	of := func(raw, field string) string {
		n := NewNormalizer(io.Discard)
		_, _ = n.Write([]byte(raw + "Subject: a\r\n\r\nb\r\n"))
		if field != "" {
			return n.Header().DeliveryField(field)
		}
		return n.Header().Delivery()
	}
	const mine = "Delivered-To: leo@example.org\r\n" + received
	for name, c := range map[string]struct {
		raw, field string
		same       bool
	}{
		"itself":                    {mine, "", true},
		"another recipient":         {"Delivered-To: mia@example.org\r\n" + received, "", false},
		"another field":             {"X-Original-To: leo@example.org\r\n" + received, "", false},
		"one more field":            {"X-Envelope-Recipient: leo@example.org\r\n" + mine, "", false},
		"none":                      {received, "", false},
		"folded, in other case":     {"delivered-TO:\r\n leo@example.org\r\n" + received, "", true},
		"below the last delivery":   {mine + "Delivered-To: mia@example.org\r\n", "", true},
		"a field of the server":     {"X-UIDL: 17\r\nStatus: RO\r\n" + mine, "", true},
		"the account's own field":   {"X-Box: mia\r\n" + mine, "x-box", false},
		"which the account has not": {"X-Box: mia\r\n" + mine, "Delivered-To", true},
	} {
		if got := of(c.raw, c.field) == of(mine, c.field); got != c.same {
			t.Errorf("%s: the same %v, want %v", name, got, c.same)
		}
	}
}
