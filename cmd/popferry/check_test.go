package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// checked is check --json as a program reads it.
type checked struct {
	Accounts, Destinations, Copies []struct {
		Name  string
		OK    bool
		Steps []struct {
			Step                      string
			OK                        bool
			MS                        *int64
			Note, Cause, Text, Remedy *string
		}
	}
}

// checkJSONOf runs popferry check --json.
func checkJSONOf(t *testing.T, cfg string, wantCode int, args ...string) checked {
	t.Helper()
	code, out, errs := popferry(t, append([]string{"check", "--json", "--config", cfg}, args...)...)
	var c checked
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || code != wantCode {
		t.Fatalf("got exit %d and %v, want %d and JSON\n%s%s", code, err, wantCode, out, errs)
	}
	for _, s := range slices.Concat(c.Accounts, c.Destinations) {
		for _, st := range s.Steps {
			if st.MS == nil || st.Note == nil || st.Cause == nil || st.Text == nil || st.Remedy == nil {
				t.Errorf("%s: %s: a key is missing, want all: %+v", s.Name, st.Step, st)
			} else if st.OK != (*st.Cause == "") || st.OK != (*st.Text == "") {
				t.Errorf("%s: %s: ok is %v with the cause %q and the text %q, want these only if it is false", s.Name, st.Step, st.OK, *st.Cause, *st.Text)
			}
		}
	}
	return c
}

// The ledger knows what is new. It stays as it is, and so does the mailbox. One
// login is enough.
func TestCheckSaysWhatIsNewAndChangesNothing(t *testing.T) {
	t.Parallel()
	pop := testworld.POP3(t, pop3test.Options{}, "Subject: 1\r\n\r\n1\r\n", "Subject: 2\r\n\r\n2\r\n")
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: leo, %[1]s, tls: none, username: leo, password: secret, leave_on_server: false, max_message_size: 1kB}
  - {name: zoe, %[1]s, tls: none, username: zoe, password: secret}
forward:
  - {name: main, %[2]s, tls: none, from: me@x.test, to: [me@x.test]}
`, testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
	note := func(wantAccounts int, args ...string) string {
		t.Helper()
		c := checkJSONOf(t, cfg, 0, args...)
		if len(c.Accounts) != wantAccounts || len(c.Destinations) != 1 {
			t.Fatalf("%d accounts, %d destinations", len(c.Accounts), len(c.Destinations))
		}
		steps := c.Accounts[0].Steps
		return *steps[len(steps)-1].Note
	}
	if got := note(2); !strings.HasPrefix(got, "2 messages, 34 B; 2 new; the largest") {
		t.Errorf("at first: %q", got)
	}
	if code, out, errs := popferry(t, "run", "--once", "--config", cfg, "zoe"); code != 0 {
		t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	before := len(pop.Log())
	big := pop3test.Message{UID: "big", Octets: bytes.Repeat([]byte("x"), 2000)}
	for _, user := range []string{"leo", "zoe"} {
		pop.Add(user, big, pop3test.Message{UID: "same", Octets: []byte("\r\n")}, pop3test.Message{UID: "same", Octets: []byte("\r\nx\r\n")},
			pop3test.Message{UID: strings.Repeat("u", 80), Octets: []byte("\r\n")})
	}
	if got, want := note(1, "zoe"), "6 messages, 2.0 kB; 4 new; the largest to fetch has 2.0 kB; "+
		"1 with a duplicate UID; 1 with a UID longer than 70 octets"; got != want {
		t.Errorf("zoe: %q, want %q", got, want)
	}
	if got, want := note(1, "leo"), "5 new; 1 larger than max_message_size; the largest to fetch has 17 B"; !strings.Contains(got, want) {
		t.Errorf("leo: %q, want %q", got, want)
	}
	logins := 0
	for _, c := range pop.Log()[before:] {
		switch c.Verb() {
		case "RETR", "TOP", "DELE":
			t.Errorf("%s: got %s, want no message to be touched", c.User, c.Line)
		case "AUTH", "PASS":
			logins++
		}
	}
	if logins != 2 || len(pop.Messages("leo")) != 6 || len(sink.Messages()) != 2 {
		t.Errorf("%d logins, %d messages left, %d sent; want 2, 6 and 2", logins, len(pop.Messages("leo")), len(sink.Messages()))
	}
}

func TestCheckHonoursMinInterval(t *testing.T) {
	t.Parallel()
	pop := testworld.POP3(t, pop3test.Options{}, "Subject: 1\r\n\r\n1\r\n")
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: leo, %s, tls: none, username: leo, password: secret, min_interval: 15m}
forward:
  - {name: main, %s, tls: none, to: [me@x.test]}
`, testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
	for _, want := range []string{"listing: 1 message", "login: not tried: the last login was "} {
		steps := checkJSONOf(t, cfg, 0).Accounts[0].Steps
		last := steps[len(steps)-1]
		if got := last.Step + ": " + *last.Note; !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if code, out, errs := popferry(t, "run", "--once", "--config", cfg); code != 0 {
			t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
		}
	}
}

// Each destination gets one test message, and only with --send.
func TestCheckSend(t *testing.T) {
	t.Parallel()
	pop := testworld.POP3(t, pop3test.Options{})
	sink, full := testworld.SMTP(t, smtptest.Options{}), testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 554, Text: "content rejected"}
		}
		return smtptest.Fault{}
	}})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: leo, %[1]s, tls: none, username: leo, password: secret}
  - {name: zoe, %[1]s, tls: none, username: zoe, password: secret, to: [zoe@x.test], forward: full}
forward:
  - {name: main, %[2]s, tls: none, from: leo@x.test, to: [me@x.test, you@x.test]}
  - {name: full, %[3]s, tls: none, from: leo@x.test}
`, testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()), testworld.HostPort(t, full.Addr().String()))
	checkJSONOf(t, cfg, 0)
	if n := len(sink.Messages()); n != 0 {
		t.Fatalf("%d messages were sent without --send, want none", n)
	}
	c := checkJSONOf(t, cfg, exitAgain, "--send")
	var got []string
	for _, d := range c.Destinations {
		last := d.Steps[len(d.Steps)-1]
		got = append(got, fmt.Sprintf("%s %s %v %s", d.Name, last.Step, d.OK, *last.Cause))
	}
	if want := []string{"main send true ", "full send false refused"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	sent := sink.Messages()
	if len(sent) != 1 || sent[0].Sender != "leo@x.test" || !slices.Equal(sent[0].Recipients, []string{"me@x.test", "you@x.test"}) ||
		!bytes.Contains(sent[0].Data, []byte("\r\nAuto-Submitted: auto-generated\r\n")) {
		t.Errorf("sent: %+v, want one automatic message from leo to me and you", sent)
	}
}
