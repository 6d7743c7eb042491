package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestPasswordsReachTheServersAsTheirOwnersMeantThem: the octets of the file, but
// neither a byte order mark nor line ends; by each login method, on both sides.
func TestPasswordsReachTheServersAsTheirOwnersMeantThem(t *testing.T) {
	t.Parallel()
	const latin1, utf8 = "Gr\xfc\xdfe", "Grüße"
	for name, tt := range map[string]struct{ file, password string }{
		"Latin-1":                         {latin1, latin1},
		"Latin-1 with CR LF":              {latin1 + "\r\n", latin1},
		"UTF-8 with a byte order mark":    {"\xef\xbb\xbf" + utf8 + "\r\n", utf8},
		"blanks, and an old Mac line end": {" a b \r", " a b "},
	} {
		for _, auth := range []struct{ pop3, smtp string }{{"user", "plain"}, {"plain", "login"}, {"login", "plain"}, {"apop", "auto"}} {
			t.Run(name+", "+auth.pop3+", "+auth.smtp, func(t *testing.T) {
				t.Parallel()
				src := pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": tt.password}, Greeting: "hello <1.2@example.net>"})
				if err := src.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = src.Close() })
				src.Add("leo", pop3test.Message{UID: "1", Octets: []byte(testworld.OneMail)})
				sink := testworld.SMTP(t, smtptest.Options{Username: "relay", Password: tt.password})
				cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password_file: pw, auth: %s}
forward:
  - {%s, tls: none, username: relay, password_file: pw, auth: %s, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), auth.pop3, testworld.HostPort(t, sink.Addr().String()), auth.smtp)
				testworld.Write(t, filepath.Join(filepath.Dir(cfg), "pw"), tt.file)
				code, out, errs := popferry(t, "run", "--once", "--config", cfg)
				if code != 0 || !strings.Contains(out, "isp: 1 forwarded") {
					t.Errorf("got exit %d, want 0 and one message forwarded\n%s%s", code, out, errs)
				}
			})
		}
	}
}
