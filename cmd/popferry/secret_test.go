package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestSecretsComeBackNowhere: servers that repeat the password after the login, cut,
// in another case and in base64, put it neither on the screen, nor into the log and
// the trace, nor into the ledger.
func TestSecretsComeBackNowhere(t *testing.T) {
	t.Parallel()
	const popSecret, smtpSecret = "Hunter2-Geheim!", "Tr0ub4dor&Drei"
	response := base64.StdEncoding.EncodeToString([]byte("\x00relay\x00" + smtpSecret))
	start := func(o pop3test.Options) *pop3test.Server {
		o.Users = map[string]string{"leo": popSecret}
		s := pop3test.NewServer(o)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		s.Add("leo", pop3test.Message{UID: "1", Octets: []byte(testworld.OneMail)})
		return s
	}
	pop := start(pop3test.Options{})
	expired := start(pop3test.Options{Handle: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "UIDL" {
			s.Write("-ERR session of leo/" + strings.ToUpper(popSecret)[:11] + "... expired\r\n")
		}
		return verb == "UIDL"
	}})
	sink := testworld.SMTP(t, smtptest.Options{Username: "relay", Password: smtpSecret, Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage != forwarder.StageDot {
			return smtptest.Fault{}
		}
		return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not after AUTH PLAIN " + response[:20] + ", " + smtpSecret + " is known"}
	}})
	cfg := testworld.Config(t, `
log: {level: debug}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: %q}
  - {name: expired, %s, tls: none, username: leo, password: %q}
forward:
  - {%s, tls: none, username: relay, password: %q, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, pop.Addr()), popSecret, testworld.HostPort(t, expired.Addr()), popSecret, testworld.HostPort(t, sink.Addr().String()), smtpSecret)
	var all strings.Builder
	for _, command := range []string{"run --once --trace isp", "run --once --now --json --trace expired", "status", "status --json", "messages", "messages --json", "check"} {
		_, out, errs := popferry(t, append(strings.Fields(command), "--config", cfg)...)
		all.WriteString(out + errs)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(cfg), "popferry.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if octets, err := os.ReadFile(name); err == nil { // not the socket
			all.Write(octets)
		}
	}
	for _, want := range []string{"session of leo/***", "not after AUTH PLAIN ***, *** is known"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("got no %q, want it shown:\n%.3000s", want, all.String())
		}
	}
	for _, part := range []string{"hunter", "geheim", "tr0ub4", "&drei", strings.ToLower(response)[8:16]} {
		if i := strings.Index(strings.ToLower(all.String()), part); i >= 0 {
			t.Errorf("got %q, want no %q", all.String()[max(0, i-100):i+20], part)
		}
	}
}
