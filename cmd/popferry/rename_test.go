package main

import (
	"os"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// A mailbox that has moved with its UIDs is refused under its name until rename
// says that it is the same one. Then its messages count as seen.
func TestRenameOfAMailboxThatHasMoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(2)...)
	f.poll(false)
	moved := testworld.POP3(t, pop3test.Options{}, testworld.Mail(3)...)
	text, err := os.ReadFile(f.config)
	if err != nil {
		t.Fatal(err)
	}
	after := strings.Replace(string(text), testworld.HostPort(t, f.pop.Addr()), strings.Replace(testworld.HostPort(t, moved.Addr()), "127.0.0.1", "localhost", 1), 1)
	if err := os.WriteFile(f.config, []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	f.poll(false) // by itself, because the headers are the same
	f.hasStates("uid-1 forwarded, uid-2 forwarded, uid-3 forwarded")
	if n := len(f.sink.Messages()); n != 3 {
		t.Errorf("%d messages were sent, want 3", n)
	}
	f.do(exitOK, []string{"isp (leo at localhost) is now isp (leo at 127.0.0.1)"}, "rename", "isp", "isp", "--username", "leo", "--host", "127.0.0.1")
}

func TestRename(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.poll(false)
	want := f.accounts()["isp"]
	f.do(exitUsage, []string{"the name stays the same"}, "rename", "isp", "isp")
	f.do(exitUsage, []string{"an account needs a name"}, "rename", "isp", "")
	f.do(exitOK, []string{"is now home (leo at 127.0.0.1)", "make sure that " + f.config + " says the same"}, "rename", "isp", "home")
	want.Name = "home"
	if all := f.accounts(); len(all) != 1 || all["home"] != want {
		t.Errorf("the accounts are %+v, want only %+v", all, want)
	}
	f.do(exitUsage, []string{`the ledger has no account "isp"; it has: home`}, "rename", "isp", "home")
}

// The rows of two mailboxes never mix.
func TestRenameToATakenName(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	text, err := os.ReadFile(f.config)
	if err != nil {
		t.Fatal(err)
	}
	account := text[strings.Index(string(text), "  - {name: isp"):strings.Index(string(text), "forward:")]
	second := strings.NewReplacer("isp", "zoe", "leo", "zoe").Replace(string(account))
	if err := os.WriteFile(f.config, []byte(strings.Replace(string(text), "forward:", second+"forward:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.poll(false)
	before := f.accounts()
	f.do(exitOther, []string{"isp cannot be renamed to zoe: another account has that name"}, "rename", "isp", "zoe")
	if after := f.accounts(); len(after) != 2 || after["isp"] != before["isp"] || after["zoe"] != before["zoe"] {
		t.Errorf("the accounts are %+v, want them as before: %+v", after, before)
	}
}
