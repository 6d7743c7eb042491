package message

import (
	"reflect"
	"testing"
)

// FuzzNormalizerHeader: the header that a Normalizer reads on the way is that of the
// whole message, though it keeps no more than it needs.
func FuzzNormalizerHeader(f *testing.F) {
	f.Add([]byte("From: a\r\n\r\nDate: body\r\n\r\nMessage-ID: body\r\n"))
	f.Add([]byte("\r\nFrom: body\r\n\r\n"))
	f.Add([]byte("Subject: s\n\nFrom: body\n\n"))
	f.Add([]byte("From: a\n\r\r\nDate: body\n\nx"))
	f.Add([]byte("From: a\n b\n\n\tc\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) > 10_000 {
			return
		}
		want := ParseHeader(msg)
		for _, slowly := range []bool{false, true} {
			_, in := normalize(t, msg, slowly)
			got := in.Header()
			if !want.Identifiable() && string(got.Beginning) != string(msg) {
				t.Fatalf("%q: its header does not identify it; kept is %q, want all", msg, got.Beginning)
			}
			got.Beginning = nil
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: %+v, want %+v", msg, got, want)
			}
		}
	})
}
