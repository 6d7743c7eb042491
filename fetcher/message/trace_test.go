package message

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

var origin = Origin{Account: "isp", Host: "pop.example.net", Username: "leo", Secure: true}

// noon in another time zone than that of the trace line.
var noon = time.Date(2026, 11, 22, 13, 0, 0, 0, time.FixedZone("CET", 3600))

func TestTraceLines(t *testing.T) {
	t.Parallel()
	const received = "Received: from pop.example.net (account isp)\r\n\tby popferry with POP3S id 0123456789;\r\n\tSun, 22 Nov 2026 12:00:00 +0000\r\n"
	got := string(origin.TraceLines("0123456789", noon))
	if want := received + "X-Popferry-Trace: id=0123456789; account=" + origin.mark() + "\r\n"; got != want {
		t.Errorf("trace lines %q, want %q", got, want)
	}
	plain := origin
	plain.Secure = false
	if got, want := string(plain.TraceLines("0", noon)), "by popferry with POP3 id 0;"; !strings.Contains(got, want) {
		t.Errorf("trace lines %q, want them to contain %q", got, want)
	}
}

// A receiver recognises a message that comes a second time by its octets.
func TestTraceLinesAreTheSameInEveryAttempt(t *testing.T) {
	t.Parallel()
	want := origin.TraceLines("0123456789", noon)
	for _, first := range []time.Time{noon, noon.UTC(), noon.In(time.FixedZone("", -7*3600))} {
		if got := origin.TraceLines("0123456789", first); !bytes.Equal(got, want) {
			t.Errorf("with the date in %s: %q, want %q", first.Location(), got, want)
		}
	}
}

// Names of accounts and hosts are the user's: none of them may end a line or begin
// a comment.
func TestTraceLinesReplaceUnsafeCharacters(t *testing.T) {
	t.Parallel()
	safe := string(Origin{Account: "a", Host: "h"}.TraceLines("0", noon))
	shape := strings.Count(safe, "\r\n")
	for _, name := range []string{"x\r\nBcc: all@example.org", "x\ny", `a(b)"c\`, "möwe", strings.Repeat("x", 2000), ""} {
		lines := Origin{Account: name, Host: name}.TraceLines("0", noon)
		if got := bytes.Count(lines, []byte("\n")); got != shape || bytes.Count(lines, []byte("\r\n")) != shape {
			t.Errorf("%q: %q, want %d lines", name, lines, shape)
		}
		h := ParseHeader(append(lines, "\r\n"...))
		if h.EightBit || h.Hops != 1 || len(h.Traces) != 1 {
			t.Errorf("%q: 8-bit %v, %d Received lines, %d traces; want false, 1, 1", name, h.EightBit, h.Hops, len(h.Traces))
		}
		for _, l := range bytes.Split(lines, []byte("\r\n")) {
			if len(l) > 998 { // RFC 5322 2.1.1
				t.Errorf("%.20q: a line of %d octets, want at most 998", name, len(l))
			}
		}
	}
}

func TestNewTraceIDsDiffer(t *testing.T) {
	t.Parallel()
	a, b := NewTraceID(), NewTraceID()
	if re := regexp.MustCompile(`^[0-9a-f]{20}$`); !re.MatchString(a) || a == b {
		t.Errorf("%q and %q, want two different ids of 20 hex digits", a, b)
	}
}

// TestTraceLinesWithTag: what was asked for stands between popferry's own lines, and
// is nothing but ASCII in lines that any server takes.
func TestTraceLinesWithTag(t *testing.T) {
	t.Parallel()
	o := Origin{Account: "isp", Host: "pop.test", Tagged: true, ForwardedTo: []string{"leo+isp@example.org", "köln@example.org", "mia@example.org", "a\r\nb@example.org"}}
	_, fields, _ := strings.Cut(string(o.TraceLines("0", noon)), "+0000\r\n")
	fields, _, _ = strings.Cut(fields, "X-Popferry-Trace: ")
	if want := "X-Popferry-Account: isp\r\nX-Forwarded-To: leo+isp@example.org,\r\n\tmia@example.org\r\n"; fields != want {
		t.Errorf("got %q, want %q", fields, want)
	}
	for _, name := range []string{"K\u00f6ln", strings.Repeat("\u00e4", 5000), strings.Repeat("a b ", 500), "\xff", "x\r\nBcc: y", "x\x00y"} {
		lines := string(Origin{Account: name, Host: "h", Tagged: true}.TraceLines("0", noon))
		if strings.ContainsFunc(lines, func(r rune) bool { return r > '~' || r == 0 }) || strings.Contains(lines, "\r\nBcc") {
			t.Errorf("%.20q: got %.300q, want ASCII and no field of the name's", name, lines)
		}
		for line := range strings.SplitSeq(lines, "\r\n") {
			if len(line) > 998 {
				t.Errorf("%.20q: a line has %d octets", name, len(line))
			}
		}
	}
}

// A ledger that has lost a row gives its message the same id, and no other message has
// it.
func TestTraceID(t *testing.T) {
	t.Parallel()
	moved, other := origin, origin
	moved.Account, moved.Host = "renamed", "POP.example.net"
	other.Username = "mia"
	id := origin.TraceID("1", 0, 0, "print", "")
	if again := moved.TraceID("1", 0, 0, "print", ""); again != id || len(id) != 20 {
		t.Errorf("the same mailbox gives %s, then %s; want the same 20 digits", id, again)
	}
	seen := map[string]bool{id: true}
	for _, next := range []string{
		other.TraceID("1", 0, 0, "print", ""), origin.TraceID("2", 0, 0, "print", ""), origin.TraceID("1", 1, 0, "print", ""), origin.TraceID("1", 0, 1, "print", ""), origin.TraceID("1", 0, 0, "other", ""),
		origin.TraceID("1", 0, 0, "print", "digest"), origin.TraceID("10", 0, 0, "print", ""), origin.TraceID("1", 0, 0, "", "print"),
	} {
		if seen[next] {
			t.Errorf("another message has the id %s, too", next)
		}
		seen[next] = true
	}
}
