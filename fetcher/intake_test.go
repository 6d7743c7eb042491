package fetcher

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"io"
)

// take passes a message through intake, in one piece or octet by octet.
func take(t testing.TB, msg []byte, slowly bool) ([]byte, *intake) {
	t.Helper()
	var out bytes.Buffer
	in := &intake{w: &out}
	var r io.Reader = bytes.NewReader(msg)
	if slowly {
		r = iotest.OneByteReader(r)
	}
	if _, err := io.Copy(in, struct{ io.Reader }{r}); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), in
}

var (
	bareLF     = regexp.MustCompile(`(^|[^\r])\n`)
	leadReturn = regexp.MustCompile(`(?i)^return-path:[^\n]*\n(?:[ \t][^\n]*(?:\n|$))*`)
)

// simply is intake written down in the simplest way.
func simply(msg []byte) []byte {
	if m := leadReturn.FindIndex(msg); m != nil && m[1] < len(msg) {
		msg = msg[m[1]:]
	}
	for bareLF.Match(msg) { // each match takes the octet before
		msg = bareLF.ReplaceAll(msg, []byte("$1\r\n"))
	}
	return msg
}

func FuzzIntake(f *testing.F) {
	f.Add([]byte("Return-Path: <a@b>\r\n\tx\r\nSubject: s\n\nbody\r\n"))
	f.Add([]byte("return-path:"))
	f.Add([]byte("\n\n\r\n\r\r\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) > 10_000 {
			return
		}
		want := simply(msg)
		fast, a := take(t, msg, false)
		slow, b := take(t, msg, true)
		if !bytes.Equal(fast, want) || !bytes.Equal(slow, want) {
			t.Fatalf("%q becomes %q and %q, want %q", msg, fast, slow, want)
		}
		if a.header().print() != b.header().print() || a.eightBit() != b.eightBit() {
			t.Fatal("what is noted of it depends on the pieces it comes in")
		}
	})
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h := parseHeader([]byte("Return-Path: <a@b.example>\r\nReceived: one\r\n two\r\nReceived: three\r\nX-Junk\r\n" +
		"FROM : =?utf-8?q?J=C3=BCrgen?= <j@x.example>\nSubject: =?x-unknown?q?a?= b\r\n\tc\r\nmessage-id:\r\n <1@x>\r\nDate: today\r\nX-Popferry-Trace: id=1; account=2\r\n\r\nFrom: body\r\n"))
	if h.ReturnPath != "a@b.example" || !h.HasReturn || h.Received != "one two" || h.Hops != 2 || h.MessageID != "<1@x>" || h.Date != "today" || len(h.Marks) != 1 {
		t.Errorf("%+v", h)
	}
	e := h.excerpt()
	if e.From != "Jürgen <j@x.example>" || !strings.HasSuffix(e.Subject, "b c") {
		t.Errorf("%+v", e)
	}
	if h.print() == "" || parseHeader([]byte("Subject: nothing to tell by\r\n\r\n")).print() != "" {
		t.Error("fingerprints")
	}
	if got := show("a\x1b[31m\x00b\xff"); got != "a[31mbÿ" {
		t.Errorf("%q", got)
	}
}
