package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// TestShow: the octets are the server's, and looking changes nothing.
func TestShow(t *testing.T) {
	t.Parallel()
	mail := testworld.Mail(2)
	mail[1] += "\x1b[31m\xff\r\n"
	o := newFixture(t, mail...)
	o.poll(true)
	before := o.accounts()["isp"]
	if code, out, errs := popferry(t, "show", "isp", "uid-2", "--config", o.config); code != exitOK || out != mail[1] || errs != "" {
		t.Errorf("got exit %d, want %d, %q, %q", code, exitOK, out, errs)
	}
	if after := o.accounts()["isp"]; after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	o.mustBe("uid-1 held, uid-2 held")

	o.pop.Change("leo", func(all []pop3test.Message) []pop3test.Message { return all[1:] })
	o.do(exitOther, []string{"isp: the message cannot be shown: the message is no longer on its server"}, "show", "isp", "uid-1")
	o.do(exitOther, []string{"isp: the ledger has no message with the UID uid-9"}, "show", "isp", "uid-9")
}

// TestShowFromCopy: what the server does not give a second time.
func TestShowFromCopy(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
	o.poll(true)
	path := filepath.Join(filepath.Dir(o.config), "popferry.db.kept", "copy")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("our copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.change(func(r *ledger.Record) { r.CopyFile = filepath.Base(path) })
	o.do(exitOK, []string{"our copy"}, "show", "isp", "uid-1")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	o.do(exitOther, []string{"isp: a file cannot be used: open " + path}, "show", "isp", "uid-1")
}

// change changes every row of account isp.
func (o *fixture) change(edit func(*ledger.Record)) {
	o.t.Helper()
	o.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(o.t.Context(), o.accounts()["isp"].ID)
		if err != nil {
			o.t.Fatal(err)
		}
		defer func() { _ = lease.Release() }()
		if err := s.Messages(o.t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
			edit(r)
			return lease.Put(context.WithoutCancel(o.t.Context()), r)
		}); err != nil {
			o.t.Fatal(err)
		}
	})
}

// TestShowWithoutAWay: the ledger's mailbox has to be that of the configuration.
func TestShowWithoutAWay(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
	o.poll(true)
	text, err := os.ReadFile(o.config)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change []string // from and to, by turns
		code   int
		say    string
	}{
		"under a new name":      {[]string{"name: isp", "name: new"}, exitOK, "about 1"},
		"another mailbox":       {[]string{"username: leo", "username: zoe"}, exitConfig, "another mailbox under a known name"},
		"not configured":        {[]string{"name: isp", "name: new", "username: leo", "username: zoe"}, exitConfig, "has no account for leo at 127.0.0.1"},
		"a password that fails": {[]string{"password: secret", "password: wrong"}, exitOther, "isp: the login was refused"},
	} {
		o.config = filepath.Join(filepath.Dir(o.config), strings.ReplaceAll(name, " ", "-")+".yaml")
		if err := os.WriteFile(o.config, []byte(strings.NewReplacer(test.change...).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		o.do(test.code, []string{test.say}, "show", "isp", "uid-1")
	}
}
