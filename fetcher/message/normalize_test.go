package message

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// normalize passes a message through a Normalizer, in one piece or octet by octet.
func normalize(t testing.TB, msg []byte, slowly bool) ([]byte, *Normalizer) {
	t.Helper()
	var out bytes.Buffer
	in := NewNormalizer(&out)
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
	reBareLF   = regexp.MustCompile(`(^|[^\r])\n`)
	leadReturn = regexp.MustCompile(`(?i)^return-path:[^\n]*(?:\n|$)(?:[ \t][^\n]*(?:\n|$))*`)
	reField    = regexp.MustCompile(`^[!-9;-~]+[ \t]*:`)
	reBareCR   = regexp.MustCompile(`\r[^\r\n]`)
	reMbox     = regexp.MustCompile(`^>*From [^\n]*\n`)
)

// withoutMbox is a message without the mbox lines in front of its first field.
func withoutMbox(msg []byte) []byte {
	rest := msg
	for !reField.Match(rest) {
		m := reMbox.FindIndex(rest)
		if m == nil || reBareCR.Match(rest[:m[1]]) {
			return msg
		}
		rest = rest[m[1]:]
	}
	return rest
}

// normalizeSimply is the Normalizer written down in the simplest way.
func normalizeSimply(msg []byte) []byte {
	msg = withoutMbox(msg)
	if m := leadReturn.FindIndex(msg); m != nil && !reBareCR.Match(msg[:m[1]]) {
		msg = withoutMbox(msg[m[1]:])
	}
	for reBareLF.Match(msg) { // each match takes the octet before
		msg = reBareLF.ReplaceAll(msg, []byte("$1\r\n"))
	}
	return msg
}

func FuzzNormalizer(f *testing.F) {
	f.Add([]byte("Return-Path: <a@b>\r\n\tx\r\nSubject: s\n\nbody\r\n"))
	f.Add([]byte("return-path:"))
	f.Add([]byte("From leo Sun Nov  1 10:00:00 2026\r\n>From x\nReturn-Path: <a@b>\nFrom y z\nSubject: s\n\nFrom here on\n"))
	f.Add([]byte("From : leo\r\nSubject: s\r\n\r\n"))
	f.Add([]byte("From the start\r\nno field\r\n"))
	f.Add([]byte("\n\n\r\n\r\r\n"))
	f.Add([]byte("Return-Path: <a@b>\rSubject: s\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) > 10_000 {
			return
		}
		want := normalizeSimply(msg)
		fast, a := normalize(t, msg, false)
		slow, b := normalize(t, msg, true)
		if !bytes.Equal(fast, want) || !bytes.Equal(slow, want) {
			t.Fatalf("%q becomes %q and %q, want %q", msg, fast, slow, want)
		}
		kept := fast
		if h := a.Header(); h.HasReturnPath {
			kept = append([]byte("Return-Path: <"+h.ReturnPath+">\r\n"), fast...)
		}
		if again, _ := normalize(t, kept, false); !bytes.Equal(again, fast) {
			t.Fatalf("%q becomes %q, but from a kept copy %q", msg, fast, again)
		}
		if a.Header().Fingerprint() != b.Header().Fingerprint() || a.EightBit() != b.EightBit() {
			t.Fatalf("%q in one piece has fingerprint %s, 8bit %v; octet by octet %s, %v; want the same", msg, a.Header().Fingerprint(), a.EightBit(), b.Header().Fingerprint(), b.EightBit())
		}
	})
}

// TestNormalizerLeadingLines: what the last delivery put on top is removed, and
// nothing that belongs to the message.
func TestNormalizerLeadingLines(t *testing.T) {
	t.Parallel()
	const mbox = "From leo@example.org Sun Nov  1 10:00:00 2026\r\n"
	for in, want := range map[string]string{
		"Return-Path: <a@b>\r\nSubject: s\r\n\r\nx":                         "Subject: s\r\n\r\nx",
		"Return-Path: <a@b>\r\nReturn-Path: <c@d>\r\n\r\n":                  "Return-Path: <c@d>\r\n\r\n",
		mbox + "Subject: s\r\n\r\nx":                                        "Subject: s\r\n\r\nx",
		mbox + ">From uucp!leo\n" + mbox + "Subject: s\r\n":                 "Subject: s\r\n",
		mbox + "Return-Path: <a@b>\r\nSubject: s\r\n":                       "Subject: s\r\n",
		"Return-Path: <a@b>\r\n":                                            "", // all of the message: the field is no less the last delivery's
		mbox + "Return-Path:\r\n <a@b>\r\n":                                 "",
		"Return-Path: <a@b>\r\n" + mbox + "Subject: s\r\n":                  "Subject: s\r\n",
		mbox + "\r\ntext":                                                   mbox + "\r\ntext",
		"From now on:\r\nall is well\r\n":                                   "From now on:\r\nall is well\r\n",
		"From: leo\r\n\r\n":                                                 "From: leo\r\n\r\n",
		"From : leo\r\nSubject: s\r\n\r\n":                                  "From : leo\r\nSubject: s\r\n\r\n",
		"from leo\r\nSubject: s\r\n":                                        "from leo\r\nSubject: s\r\n",
		"Subject: s\r\n" + mbox + "\r\n":                                    "Subject: s\r\n" + mbox + "\r\n",
		mbox:                                                                mbox,
		"Return-Path: <a@c>\rSubject: s\r\n\r\nx":                           "Return-Path: <a@c>\rSubject: s\r\n\r\nx",
		"Return-Path: <a@b>\r\r\nSubject: s\r\r\n":                          "Subject: s\r\r\n",
		"From leo\rSubject: s\r\nX: y\r\n":                                  "From leo\rSubject: s\r\nX: y\r\n",
		mbox + "X-" + strings.Repeat("a", headerLimit) + ": b\r\n":          mbox + "X-" + strings.Repeat("a", headerLimit) + ": b\r\n",
		"Return-Path: <" + strings.Repeat("a", headerLimit) + ">\r\nx: y\n": "Return-Path: <" + strings.Repeat("a", headerLimit) + ">\r\nx: y\r\n",
	} {
		for _, slowly := range []bool{false, true} {
			if slowly && len(in) > 1000 {
				continue
			}
			out, n := normalize(t, []byte(in), slowly)
			if string(out) != want {
				t.Errorf("%.200q becomes %.200q, want %.200q", in, out, want)
			}
			if h := n.Header(); strings.Contains(in, "<a@b>") && h.ReturnPath != "a@b" {
				t.Errorf("%.200q: Return-Path %q, want a@b", in, h.ReturnPath)
			}
		}
	}
}
