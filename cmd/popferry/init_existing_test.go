package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// existing is a configuration that is there, with an account of another host
// and a ledger beside it.
func (v *village) existing(settings string) {
	v.t.Helper()
	for name, text := range map[string]string{
		"popferry.yaml":         "state: popferry.db\ninclude: [accounts.d/*.yaml]\n" + settings,
		"accounts.d/first.yaml": "accounts:\n  - {name: first, host: pop.example.net, username: leo, password: secret}\n",
	} {
		path := filepath.Join(v.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			v.t.Fatal(err)
		}
	}
}

// TestInitNameTaken: a second account under the address's name gets another
// one, and no name leads to the files of another account.
func TestInitNameTaken(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "second.isp.test. A 127.0.0.1\nthird.isp.test. A 127.0.0.1\n")
	if err := v.init(nil, v.everything()...); err != nil {
		t.Fatalf("%v\n%s", err, v.screen.String())
	}
	more := func(host string, more ...string) []string {
		return append([]string{"--address", "leo@isp.test", "--password-file", v.secret, "--host", host + ".isp.test:" + v.pop3Port, "--ca-file", v.ca}, more...)
	}
	if err := v.init(nil, more("second")...); !is[*app.ConfigError](err) || !strings.Contains(err.Error(), "another account is called leo@isp.test") {
		t.Errorf("nobody is there to name it: %v", err)
	}
	err := v.init([]reply{
		{"What shall the account be called", ""},
		{"What shall the account be called", "../a b"},
		{"Keep mail", ""}, {"Forward all", ""}, {"Write them?", ""}, {"Fetch and forward now?", "no"},
	}, more("second")...)
	if err != nil || !strings.Contains(v.files(), "accounts.d/.._a_b.yaml -rw-------") {
		t.Errorf("%v\n%s", err, v.files())
	}
	err = v.init(nil, more("third", "--name", ".._a b")...)
	if !is[*app.ConfigError](err) || !strings.Contains(err.Error(), "the file of an account called .._a b is there already") {
		t.Errorf("a name with the same file: %v", err)
	}
}

// TestInitDefaults: what a configuration has as defaults changes nothing of
// what was said and answered.
func TestInitDefaults(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	v.existing(`defaults: {forward: family, first_run: new}
forward:
  - {name: mine, host: smtp.isp.test, to: [leo@isp.test]}
  - {name: family, host: smtp.isp.test, to: [all@isp.test]}
`)
	before := v.files()
	args := []string{"--address", "leo@isp.test", "--password-file", v.secret, "--host", "pop.isp.test:" + v.pop3Port, "--ca-file", v.ca, "--first-run", "all"}
	err := v.init(nil, args...)
	if err == nil || !strings.Contains(err.Error(), "its mail would go to all@isp.test by family, and not to leo@isp.test by mine; say which with --to and --forward") {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
	if after := v.files(); after != before {
		t.Errorf("files:\n%s", after)
	}
	if err := v.init(nil, append(args, "--forward", "mine")...); err != nil {
		t.Fatalf("%v\n%s", err, v.screen.String())
	}
	v.reads("accounts.d/leo@isp.test.yaml", fmt.Sprintf(`accounts:
  - name: leo@isp.test
    host: pop.isp.test
    port: %s
    tls: implicit
    tls_ca_file: %s
    username: leo
    password_file: leo@isp.test.password
    leave_on_server: true # true, false: delete what was forwarded, 14d: after 14 days
    first_run: all
    forward: mine
`, v.pop3Port, v.ca))
}

// TestInitKnownName: an account that would keep all others from being polled,
// for the ledger knows another mailbox by its name, is not set up.
func TestInitKnownName(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	v.existing("forward: [{name: mine, host: smtp.isp.test, to: [leo@isp.test]}]\n")
	store, err := sqlite.Open(t.Context(), filepath.Join(v.dir, "popferry.db"), sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Claim(t.Context(), []ledger.Identity{{Name: "leo@isp.test", Username: "leo", Host: "old.isp.test"}})
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	before := v.files()
	args := []string{"--address", "leo@isp.test", "--password-file", v.secret, "--host", "pop.isp.test:" + v.pop3Port, "--ca-file", v.ca}
	err = v.init(nil, args...)
	if !is[*app.ConfigError](err) || !strings.Contains(err.Error(), `nothing was set up: account "leo@isp.test": another mailbox under a known name`) {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
	if after := v.files(); after != before {
		t.Errorf("files:\n%s", after)
	}
	if err := v.init(nil, append(args, "--name", "isp")...); err != nil {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
}
