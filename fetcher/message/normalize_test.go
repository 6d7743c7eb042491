package message

import (
	"bytes"
	"io"
	"regexp"
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
	leadReturn = regexp.MustCompile(`(?i)^return-path:[^\n]*\n(?:[ \t][^\n]*(?:\n|$))*`)
)

// normalizeSimply is the Normalizer written down in the simplest way.
func normalizeSimply(msg []byte) []byte {
	if m := leadReturn.FindIndex(msg); m != nil && m[1] < len(msg) {
		msg = msg[m[1]:]
	}
	for reBareLF.Match(msg) { // each match takes the octet before
		msg = reBareLF.ReplaceAll(msg, []byte("$1\r\n"))
	}
	return msg
}

func FuzzNormalizer(f *testing.F) {
	f.Add([]byte("Return-Path: <a@b>\r\n\tx\r\nSubject: s\n\nbody\r\n"))
	f.Add([]byte("return-path:"))
	f.Add([]byte("\n\n\r\n\r\r\n"))
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
		if a.Header().Fingerprint() != b.Header().Fingerprint() || a.EightBit() != b.EightBit() {
			t.Fatalf("%q in one piece has fingerprint %s, 8bit %v; octet by octet %s, %v", msg, a.Header().Fingerprint(), a.EightBit(), b.Header().Fingerprint(), b.EightBit())
		}
	})
}
