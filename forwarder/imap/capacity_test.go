package imap

import (
	"net"
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// TestCapacity: nothing is sent behind the first message of a session, nor to a
// server that does not take it; as much as there is where it need not ask.
func TestCapacity(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		greeting string
		proven   bool
		facts    Facts
		want     int
	}{
		"new":            {"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi", false, Facts{}, 1},
		"asks":           {"* OK [CAPABILITY IMAP4rev1 LITERAL-] hi", true, Facts{}, 2},
		"need not ask":   {"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi", true, Facts{}, 32},
		"not behind":     {"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi", true, Facts{NoPipelining: forwarder.Sighting{At: time.Now(), Count: 1}}, 1},
		"long forgotten": {"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi", true, Facts{NoPipelining: forwarder.Sighting{At: time.Now().Add(-2 * time.Hour), Count: 1}}, 32},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Facts: tt.facts}.withDefaults()
			client, server := net.Pipe()
			defer client.Close()
			go func() {
				_, _ = server.Write([]byte(tt.greeting + "\r\n"))
				_ = server.Close()
			}()
			s := &session{Conn: wire.New(client, time.Minute, nil), o: &o, quirk: newQuirks(&o), proven: tt.proven}
			if _, err := s.Greeting(); err != nil {
				t.Fatal(err)
			}
			if got := s.Capacity(true); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
