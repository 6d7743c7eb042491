package setup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// existing writes a configuration with an account of another host. Its ledger is
// beside it.
func (f *fixture) existing(settings string) {
	f.t.Helper()
	for name, text := range map[string]string{
		"popferry.yaml":         "state: popferry.db\ninclude: [accounts.d/*.yaml]\n" + settings,
		"accounts.d/first.yaml": "accounts:\n  - {name: first, host: pop.example.net, username: leo, password: secret}\n",
	} {
		path := f.path(name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// A second account under the address's name gets another name, and no name leads
// to the files of another account.
func TestNameThatIsTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "second.isp.test. A 127.0.0.1\nthird.isp.test. A 127.0.0.1\n")
	f.succeeds(f.run(f.everything()))
	err := f.run(f.mailboxAt("second"))
	f.fails(err, "another account is called leo@isp.test")
	if !is[*app.ConfigError](err) {
		t.Errorf("a name that is taken: %v, want a ConfigError", err)
	}
	f.succeeds(f.run(f.mailboxAt("second"), []testworld.Reply{
		{Question: "Another name for the account", Answer: ""},
		{Question: "Another name for the account", Answer: "../a b"},
		{Question: "Keep mail", Answer: ""},
		{Question: "Forward all", Answer: ""},
		{Question: "Write them?", Answer: ""},
	}...))
	if files, want := testworld.Files(t, f.dir), "accounts.d/.._a_b.yaml -rw-------"; !strings.Contains(files, want) {
		t.Errorf("files:\n%s\nwant %s among them", files, want)
	}
	in := f.mailboxAt("third")
	in.Name = ".._a b"
	err = f.run(in)
	f.fails(err, "the file of an account called .._a b exists already")
	if !is[*app.ConfigError](err) {
		t.Errorf("a name with the same file: %v, want a ConfigError", err)
	}
}

// The defaults of a configuration change nothing of what was said and answered.
func TestDefaultsOfAnExistingConfiguration(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	f.existing(`defaults: {forward: family, first_run: new}
forward:
  - {name: mine, host: smtp.isp.test, to: [leo@isp.test]}
  - {name: family, host: smtp.isp.test, to: [all@isp.test]}
`)
	before := testworld.Files(t, f.dir)
	in := f.mailboxAt("pop")
	in.FirstRun = config.FirstRunAll
	f.fails(f.run(in), "send this mail to all@isp.test through family, not to leo@isp.test through mine; choose with --to and --forward")
	if after := testworld.Files(t, f.dir); after != before {
		t.Errorf("files:\n%s\nwant them as before:\n%s", after, before)
	}
	in.Forward = "mine"
	f.succeeds(f.run(in))
	f.reads("accounts.d/leo@isp.test.yaml", fmt.Sprintf(`accounts:
  - name: leo@isp.test
    host: pop.isp.test
    port: %d
    tls: implicit
    tls_ca_file: %s
    username: leo
    password_file: leo@isp.test.password
    leave_on_server: true # true: keep mail there, false: delete it once forwarded, 14d: delete it 14 days later
    first_run: all
    forward: mine
`, f.pop3Port, f.ca))
}
