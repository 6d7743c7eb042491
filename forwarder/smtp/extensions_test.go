package smtp

import (
	"fmt"
	"reflect"
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
			m:    forwarder.Message{Sender: "ä@x", Recipients: []string{"b@x"}, Size: 100, EightBit: true},
			mail: "MAIL FROM:<ä@x> SIZE=100 BODY=8BITMIME SMTPUTF8",
		},
		{
			name: "too big",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x", "c@x"}, Size: 101},
			want: "impossible mail 552 5.3.4 101 octets, the server takes only 100|" +
				"impossible mail 552 5.3.4 101 octets, the server takes only 100",
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
			name: "8-bit octets never ask for SMTPUTF8",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x"}, EightBit: true},
			mail: "MAIL FROM:<> SIZE=0 BODY=8BITMIME",
		},
		{
			name: "international domains go as A-labels",
			m:    forwarder.Message{Sender: "leo@Bücher.example", Recipients: []string{"leo@bücher.example", "b@x"}},
			mail: "MAIL FROM:<leo@xn--bcher-kva.example>",
			want: "|",
		},
		{
			name: "international domains ask for SMTPUTF8 only with an international local part",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"leo@bücher.example"}},
			mail: "MAIL FROM:<> SIZE=0",
		},
		{
			name: "international local part",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"jürgen@bücher.example", "leo@bücher.example"}},
			mail: "MAIL FROM:<> SIZE=0 SMTPUTF8",
			want: "|",
		},
		{
			name: "a domain that is not a valid name stays",
			m:    forwarder.Message{Recipients: []string{"leo@-ü-.example"}},
			want: "impossible rcpt 553 5.6.7 the address is not ASCII, the server does not announce SMTPUTF8",
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
			name: "recipient is not UTF-8",
			ext:  all,
			m:    forwarder.Message{Recipients: []string{"b@x", "\xff@x"}},
			mail: "MAIL FROM:<> SIZE=0",
			want: "|impossible rcpt 553 5.1.3 the address has octets that are not UTF-8",
		},
		{
			name: "sender is not UTF-8",
			ext:  all,
			m:    forwarder.Message{Sender: "j\xfcrgen@x", Recipients: []string{"b@x"}},
			want: "impossible mail 553 5.1.7 the address has octets that are not UTF-8",
		},
		{
			name: "sender with a parameter",
			ext:  all,
			m:    forwarder.Message{Sender: "a@x> SIZE=1", Recipients: []string{"b@x"}},
			want: "impossible mail 553 5.1.7 \"a@x> SIZE=1\" is not a mail address (RFC 5321 4.1.2)",
		},
		{
			name: "sender with brackets in quotes",
			m:    forwarder.Message{Sender: "\"a> SIZE=1\"@x", Recipients: []string{"b@x"}},
			want: "impossible mail 553 5.1.7 the address has angle brackets",
		},
		{
			name: "sender with a parameter, without brackets",
			m:    forwarder.Message{Sender: "a@x RET=FULL", Recipients: []string{"b@x"}},
			want: "impossible mail 553 5.1.7 \"a@x RET=FULL\" is not a mail address (RFC 5321 4.1.2)",
		},
		{
			name: "spaces in quotes",
			m:    forwarder.Message{Sender: "\"a b\"@x", Recipients: []string{"b@x"}},
			mail: "MAIL FROM:<\"a b\"@x>",
		},
		{
			name: "recipient without an address",
			m:    forwarder.Message{Recipients: []string{"", "b@x"}},
			mail: "MAIL FROM:<>",
			want: "impossible rcpt 553 5.1.3 \"\" is not a mail address (RFC 5321 4.1.2)|",
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

// TestReadExtensions: the keywords count in any case, and in the forms of old
// servers.
func TestReadExtensions(t *testing.T) {
	t.Parallel()
	all := extensions{size: 1000, sizeParam: true, eightBit: true, utf8: true, pipelining: true, chunking: true, startTLS: true, auth: []string{"LOGIN", "PLAIN"}}
	for name, tt := range map[string]struct {
		reply string
		want  extensions
	}{
		"upper case":            {"250-mx\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN\r\n", all},
		"lower case":            {"250-mx\r\n250-size 1000\r\n250-8bitmime\r\n250-smtputf8\r\n250-pipelining\r\n250-chunking\r\n250-starttls\r\n250 auth login plain\r\n", all},
		"mixed, with bare LF":   {"250-mx\n250-Size 1000\n250-8BitMime\n250-SmtpUtf8\n250-Pipelining\n250-Chunking\n250-StartTLS\n250 Auth Login Plain\n", all},
		"AUTH=":                 {"250-mx\r\n250 AUTH=LOGIN PLAIN\r\n", extensions{auth: []string{"LOGIN", "PLAIN"}}},
		"AUTH= after AUTH":      {"250-mx\r\n250-AUTH PLAIN\r\n250 AUTH=PLAIN\r\n", extensions{auth: []string{"PLAIN", "PLAIN"}}},
		"AUTH without a method": {"250-mx\r\n250 AUTH\r\n", extensions{}},
		"SIZE without a limit":  {"250-mx\r\n250 SIZE\r\n", extensions{sizeParam: true}},
		"SIZE with nonsense":    {"250-mx\r\n250 SIZE much\r\n", extensions{sizeParam: true}},
		"the server's name":     {"250 pipelining\r\n", extensions{}},
		"an empty line":         {"250-mx\r\n250-\r\n250\r\n", extensions{}},
		"nothing":               {"", extensions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := readExtensions(strings.Split(tt.reply, "\n")); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
