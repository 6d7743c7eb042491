package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// The octets are the server's, and nothing is changed.
func TestShow(t *testing.T) {
	t.Parallel()
	mail := testworld.Mail(2)
	mail[1] += "\x1b[31m\xff\r\n"
	f := newFixture(t, mail...)
	f.keepsMail()
	f.poll(true)
	before := f.accounts()["isp"]
	if code, out, errs := popferry(t, "show", "isp", "uid-2", "--config", f.config); code != exitOK || out != mail[1] || errs != "" {
		t.Errorf("got exit %d, %q and %q; want %d, %q and nothing", code, out, errs, exitOK, mail[1])
	}
	if after := f.accounts()["isp"]; after != before {
		t.Errorf("the account is %+v, want it as before: %+v", after, before)
	}
	f.hasStates("uid-1 held, uid-2 held")

	f.pop.Change("leo", func(all []pop3test.Message) []pop3test.Message { return all[1:] })
	f.do(exitOther, []string{"isp: the message cannot be shown: the message is no longer on its server"}, "show", "isp", "uid-1")
	f.do(exitOther, []string{"isp: the ledger has no message with the UID uid-9"}, "show", "isp", "uid-9")
}

// A message that its server gives only once is shown from popferry's copy.
func TestShowFromCopy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.poll(true)
	path := filepath.Join(filepath.Dir(f.config), "popferry.db.kept", "1-copy.eml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("our copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.change(func(r *ledger.Record) { r.CopyFile = filepath.Base(path) })
	f.do(exitOK, []string{"our copy"}, "show", "isp", "uid-1")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.do(exitOther, []string{`reading the copy "1-copy.eml" in ` + filepath.Dir(path) + ": ", "no such file"}, "show", "isp", "uid-1")
}

// The ledger's mailbox has to be one of the configuration.
func TestShowNeedsTheConfiguredMailbox(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.keepsMail()
	f.poll(true)
	text, err := os.ReadFile(f.config)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change []string // from and to, by turns
		code   int
		say    string
	}{
		"under a new name":      {[]string{"name: isp", "name: new"}, exitOK, "about 1"},
		"another mailbox":       {[]string{"username: leo", "username: zoe"}, exitConfig, "finds out whether it is the same mailbox"},
		"not configured":        {[]string{"name: isp", "name: new", "username: leo", "username: zoe"}, exitConfig, "has no account for leo at 127.0.0.1"},
		"a password that fails": {[]string{"password: secret", "password: wrong"}, exitOther, "isp: the login was refused"},
	} {
		f.config = filepath.Join(filepath.Dir(f.config), strings.ReplaceAll(name, " ", "-")+".yaml")
		if err := os.WriteFile(f.config, []byte(strings.NewReplacer(test.change...).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		f.do(test.code, []string{test.say}, "show", "isp", "uid-1")
	}
}
