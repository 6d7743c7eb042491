package smtp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

func TestExtensionsCheck(t *testing.T) {
	t.Parallel()
	all := extensions{sizeParam: true, size: 100, eightBit: true, utf8: true}
	tests := []struct {
		name string
		ext  extensions
		m    forwarder.Message
		want string // "" for a recipient that can be tried
		mail string
	}{
		{
			name: "nothing offered, nothing needed",
			m:    forwarder.Message{Sender: "a@x", Recipients: []string{"b@x"}, Size: 1e12},
			mail: "MAIL FROM:<a@x>",
		},
		{
			name: "everything offered, nothing needed",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x"}, Size: 100},
			mail: "MAIL FROM:<> SIZE=100",
		},
		{
			name: "everything offered and needed",
			ext:  all,
			m:    forwarder.Message{Sender: "ä@x", Recipients: []string{"b@x"}, Size: 100, EightBit: true, UTF8: true},
			mail: "MAIL FROM:<ä@x> SIZE=100 BODY=8BITMIME SMTPUTF8",
		},
		{
			name: "too big",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x", "c@x"}, Size: 101},
			want: "impossible mail 552 5.3.4 the message has 101 octets, the server announces a limit of 100|" +
				"impossible mail 552 5.3.4 the message has 101 octets, the server announces a limit of 100",
		},
		{
			name: "SIZE without a limit",
			ext:  extensions{sizeParam: true},
			m:    forwarder.Message{Recipients: []string{"b@x"}, Size: 1e12},
			mail: "MAIL FROM:<> SIZE=1000000000000",
		},
		{
			name: "8-bit body",
			m:    forwarder.Message{Recipients: []string{"b@x"}, EightBit: true},
			want: "impossible mail 554 5.6.3 the message has 8-bit octets, the server does not announce 8BITMIME",
		},
		{
			name: "8-bit header",
			m:    forwarder.Message{Recipients: []string{"b@x"}, UTF8: true},
			want: "impossible mail 554 5.6.3 the message has 8-bit octets, the server does not announce 8BITMIME",
		},
		{
			name: "8-bit header goes by 8BITMIME",
			ext:  extensions{eightBit: true},
			m:    forwarder.Message{Recipients: []string{"b@x"}, UTF8: true},
			mail: "MAIL FROM:<> BODY=8BITMIME",
		},
		{
			name: "sender is not ASCII",
			ext:  extensions{eightBit: true},
			m:    forwarder.Message{Sender: "ä@x", Recipients: []string{"b@x"}},
			want: "impossible mail 553 5.6.7 the address is not ASCII, the server does not announce SMTPUTF8",
		},
		{
			name: "one recipient is not ASCII",
			m:    forwarder.Message{Recipients: []string{"ä@x", "b@x"}},
			want: "impossible rcpt 553 5.6.7 the address is not ASCII, the server does not announce SMTPUTF8|",
			mail: "MAIL FROM:<>",
		},
		{
			name: "recipient is not ASCII",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x", "\xff@x"}},
			mail: "MAIL FROM:<> SIZE=0 SMTPUTF8",
			want: "|",
		},
		{
			name: "sender with a line end",
			ext:  all,
			m:    forwarder.Message{Sender: "a@x>\r\nRSET", Recipients: []string{"b@x"}},
			want: "impossible mail 553 5.1.7 the address has control characters",
		},
		{
			name: "recipient with a line end",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x\n"}},
			want: "impossible rcpt 553 5.1.3 the address has control characters",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, ok := tt.ext.check(&tt.m)
			var got []string
			for i, o := range out {
				if o.Recipient != tt.m.Recipients[i] {
					t.Errorf("outcome %d is for %q, want %q", i, o.Recipient, tt.m.Recipients[i])
				}
				s := ""
				if o.Kind != 0 {
					s = fmt.Sprintf("%v %v %s", o.Kind, o.Stage, o.Reply())
				}
				got = append(got, s)
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
			if want := tt.mail != ""; ok != want {
				t.Errorf("ok %v, want %v", ok, want)
			}
			if mail := tt.ext.mailCommand(&tt.m); ok && mail != tt.mail {
				t.Errorf("got %q, want %q", mail, tt.mail)
			}
		})
	}
}
