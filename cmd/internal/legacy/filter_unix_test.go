//go:build unix

package legacy

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A filter that was carried over ends with the exit code that popferry takes for the
// program's.
func TestShellFilter(t *testing.T) {
	t.Parallel()
	const message = "Subject: spam\n\nbody\n"
	getmail := func(shell string) look { return look{shell: shell, keep: []int{0}, drop: []int{99, 100}} }
	quiet := getmail("sh -c 'echo loud >&2'")
	quiet.quiet = true
	mpop := func(shell string) look {
		return look{shell: shell, keep: []int{0}, drop: []int{1, 2}, quiet: true, header: true}
	}
	for name, c := range map[string]struct {
		looks []look
		exit  int
		says  string
	}{
		"keeps":             {[]look{getmail("cat")}, 0, ""},
		"drops":             {[]look{getmail("sh -c 'echo why >&2; exit 100'")}, 99, "why"},
		"fails":             {[]look{getmail("sh -c 'echo why >&2; exit 1'")}, 75, "why"},
		"is missing":        {[]look{getmail("/no/such/program")}, 75, "such"},
		"writes to stderr":  {[]look{getmail("sh -c 'echo loud >&2'")}, 75, "loud"},
		"may":               {[]look{quiet}, 0, "loud"},
		"reads all":         {[]look{getmail("grep -q body")}, 0, ""},
		"two":               {[]look{getmail("grep -q Subject"), getmail("grep -q body")}, 0, ""},
		"second drops":      {[]look{getmail("cat"), getmail("sh -c 'exit 99'")}, 99, ""},
		"first fails":       {[]look{getmail("false"), getmail("sh -c 'exit 99'")}, 75, ""},
		"mpop keeps":        {[]look{mpop("cat # all")}, 0, ""},
		"mpop deletes":      {[]look{mpop(`if [ "$(grep '^Subject: spam')" ]; then exit 1; else exit 0; fi`)}, 99, ""},
		"mpop skips":        {[]look{mpop("exit 2")}, 99, ""},
		"mpop fails":        {[]look{mpop("exit 3")}, 75, ""},
		"mpop has no body":  {[]look{mpop("grep -q body && exit 3")}, 99, ""},
		"mpop with another": {[]look{mpop("grep -q Subject"), getmail("grep -q body")}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			filter := shellFilter(c.looks)
			cmd := exec.CommandContext(t.Context(), filter[0], filter[1:]...)
			var out, errs strings.Builder
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(message), &out, &errs
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != c.exit || out.Len() > 0 || !strings.Contains(errs.String(), c.says) {
				t.Errorf("got exit %d, stdout %q, stderr %q; want exit %d, nothing on stdout, and %q on stderr\n%s", got, &out, &errs, c.exit, c.says, filter[2])
			}
		})
	}
}

// The rules of an fdm.conf decide as fdm's do.
func TestFdmRules(t *testing.T) {
	t.Parallel()
	const conf = `account "isp" pop3s server "h" user "u" pass "p"
action "inbox" maildir "%h/Mail"
match "^Subject:.*folded[[:blank:]]+spam" in headers and not "keep me" in body action drop
match "^X-Level: (\\*){3}" in headers action maildir "%h/Mail/.Junk"
match case "Shout" action drop
match "^X: some  thing" action drop
match size > 1K action drop
match "^X-Broken: yes" in headers and not "a[" in body action drop
match all action "inbox"
`
	r := &reader{env: testEnv(t.TempDir()), setup: &Setup{}}
	if err := r.fdm("fdm.conf", conf); err != nil {
		t.Fatal(err)
	}
	filter := r.setup.Accounts[0].Filter
	for message, want := range map[string]string{
		"Subject: plain\n\nfolded spam\n":                                    "0",
		"subject: some\n folded\n\tSPAM\n\nbody\n":                           "99",
		"subject: some\n folded\n\tSPAM\n\nplease keep me\n":                 "0",
		"X-Level: ***\n\nbody\n":                                             "0 X-Popferry-Folder: Junk",
		"Subject: shout\n\nSHOUT\n":                                          "0",
		"Subject: x\n\nShout\n":                                              "99",
		"X-Level: *\n **\n\nbody\n":                                          "0",
		"X: some\n thing\n\nbody\n":                                          "99",
		"Subject: x\n\n" + strings.Repeat("0123456789\n", 100):               "99",
		"Subject: x\nX-Broken: yes\n\nbody\n":                                "75",
		"Subject: Shout\n\nbinary \x00 \xff\n":                               "99",
		"Subject: no body\n":                                                 "0",
		"\nSubject: folded spam in the body\n":                               "0",
		"Received: x\n\ty\nSubject: folded\n spam\nTo: a\n\nbody keep  me\n": "99",
	} {
		cmd := exec.CommandContext(t.Context(), filter[0], filter[1:]...)
		cmd.Stdin = strings.NewReader(message)
		out, _ := cmd.Output()
		if got := strings.TrimSpace(fmt.Sprint(cmd.ProcessState.ExitCode(), " ", string(out))); got != want {
			t.Errorf("%q: got %s, want %s", message, got, want)
		}
	}
}
