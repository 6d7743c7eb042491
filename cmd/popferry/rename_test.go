package main

import (
	"os"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// TestMoved: a mailbox that has moved with its UIDs is refused under its old
// name until a person says what is meant; then its messages count as seen.
func TestMoved(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(2)...)
	o.poll(false)
	moved := testworld.POP3(t, pop3test.Options{}, testworld.Mail(3)...)
	text, err := os.ReadFile(o.config)
	if err != nil {
		t.Fatal(err)
	}
	after := strings.Replace(string(text), testworld.HostPort(t, o.pop.Addr()), strings.Replace(testworld.HostPort(t, moved.Addr()), "127.0.0.1", "localhost", 1), 1)
	if err := os.WriteFile(o.config, []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	o.do(exitConfig, []string{`popferry rename "isp" "isp" --username "leo" --host "localhost"`, `popferry forget "isp"`}, "run", "--once")
	o.do(exitOK, []string{"isp (leo at 127.0.0.1) is now isp (leo at localhost)"}, "rename", "isp", "isp", "--username", "leo", "--host", "localhost")
	o.poll(false)
	o.mustBe("uid-1 forwarded, uid-2 forwarded, uid-3 forwarded")
	if n := len(o.sink.Messages()); n != 3 {
		t.Errorf("%d were sent, want 3", n)
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
	o.poll(false)
	want := o.accounts()["isp"]
	o.do(exitUsage, []string{"the name stays the same"}, "rename", "isp", "isp")
	o.do(exitUsage, []string{"an account needs a name"}, "rename", "isp", "")
	o.do(exitOK, []string{"is now home (leo at 127.0.0.1)", "make sure that " + o.config + " says the same"}, "rename", "isp", "home")
	want.Name = "home"
	if all := o.accounts(); len(all) != 1 || all["home"] != want {
		t.Errorf("%+v, want %+v", all, want)
	}
	o.do(exitUsage, []string{`the ledger has no account "isp"; it has: home`}, "rename", "isp", "home")
}

// TestRenameToATakenName: the rows of two mailboxes never mix.
func TestRenameToATakenName(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
	text, err := os.ReadFile(o.config)
	if err != nil {
		t.Fatal(err)
	}
	account := text[strings.Index(string(text), "  - {name: isp"):strings.Index(string(text), "forward:")]
	second := strings.NewReplacer("isp", "zoe", "leo", "zoe").Replace(string(account))
	if err := os.WriteFile(o.config, []byte(strings.Replace(string(text), "forward:", second+"forward:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	o.poll(false)
	before := o.accounts()
	o.do(exitOther, []string{"isp cannot be renamed to zoe: another account has that name"}, "rename", "isp", "zoe")
	if after := o.accounts(); len(after) != 2 || after["isp"] != before["isp"] || after["zoe"] != before["zoe"] {
		t.Errorf("%+v became %+v", before, after)
	}
}

// TestForget: only with a yes, and then everything is new.
func TestForget(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(2)...)
	o.poll(false)
	o.do(exitUsage, []string{"isp (leo at 127.0.0.1): 2 messages would be forgotten", "all the mail on its server will be forwarded again",
		"nothing was removed: to remove them, popferry forget isp --yes"}, "forget", "isp")
	o.mustBe("uid-1 forwarded, uid-2 forwarded")
	o.do(exitOK, []string{"isp: 2 messages forgotten"}, "forget", "isp", "--yes")
	if all := o.accounts(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	o.poll(false)
	o.mustBe("uid-1 forwarded, uid-2 forwarded")
	if n := len(o.sink.Messages()); n != 4 {
		t.Errorf("%d were sent, want each twice", n)
	}
}
