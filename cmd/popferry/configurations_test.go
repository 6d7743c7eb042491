package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// TestConfigurationsThatShareALedger: two configurations without a state of their own have
// the same ledger. Neither takes the other's mailbox for its own, edited one, though both
// log in as the same user: new mail would count as seen, or as older than the first run.
func TestConfigurationsThatShareALedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.edit("password: secret", "password: secret, first_run: new")
	first, pop := f.config, testworld.POP3(t, pop3test.Options{}, testworld.Mail(1)...)
	second := filepath.Join(filepath.Dir(first), "second.yaml")
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), testworld.HostPort(t, f.pop.Addr()), testworld.HostPort(t, pop.Addr()), 1)
	testworld.Write(t, second, other)

	f.poll(false)
	f.config = second
	f.do(exitConfig, []string{`account "isp"`, "which the configuration " + first + " polled at", "popferry rename"}, "run", "--once")
	testworld.Write(t, second, strings.Replace(other, "name: isp", "name: home", 1))
	f.poll(false)
	f.config = first
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
	f.pop.Add("leo", pop3test.Message{UID: "uid-2", Octets: []byte(testworld.Mail(2)[1])})
	f.poll(false)
	if n := len(f.sink.Messages()); n != 1 {
		t.Errorf("%d messages were sent, want the one that is new", n)
	}
}
