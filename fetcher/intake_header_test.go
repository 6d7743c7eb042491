package fetcher

import (
	"reflect"
	"testing"
)

// FuzzIntakeHeader: what intake notes of a header on the way is what the whole
// beginning tells, though it keeps no more of it than it has to.
func FuzzIntakeHeader(f *testing.F) {
	f.Add([]byte("From: a\r\n\r\nDate: body\r\n\r\nMessage-ID: body\r\n"))
	f.Add([]byte("\r\nFrom: body\r\n\r\n"))
	f.Add([]byte("Subject: s\n\nFrom: body\n\n"))
	f.Add([]byte("From: a\n\r\r\nDate: body\n\nx"))
	f.Add([]byte("From: a\n b\n\n\tc\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) > 10_000 {
			return
		}
		want := parseHeader(msg)
		for _, slowly := range []bool{false, true} {
			_, in := take(t, msg, slowly)
			got := in.header()
			if !want.tells() && string(got.Beginning) != string(msg) {
				t.Fatalf("%q: of a message that its header does not tell %q is kept", msg, got.Beginning)
			}
			got.Beginning = nil
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: %+v, want %+v", msg, got, want)
			}
		}
	})
}
