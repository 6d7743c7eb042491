package main

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// newMaildir makes a Maildir.
func newMaildir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Maildir")
	for _, part := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// maildirConfig is a configuration with the mailboxes of leo and zoe, whose mail goes
// into a Maildir, zoe's into a folder of her own.
func maildirConfig(t *testing.T, src *pop3test.Server, dir, leave, more string) string {
	t.Helper()
	return testworld.Config(t, `
log: {level: error}
state: popferry.db
defaults: {%s, tls: none, password: secret, leave_on_server: %s}
accounts:
  - {name: isp, username: leo}
  - {name: work, username: zoe, folder: Arbeit/Büro}
forward:
  - {name: disk, protocol: maildir, path: %q%s}
`, testworld.HostPort(t, src.Addr()), leave, dir, more)
}

// inMaildir are the subjects of the messages that are new in a folder, sorted.
func inMaildir(t *testing.T, folder string) (subjects []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		octets, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		trace, rest, _ := strings.Cut(string(octets), "\r\nSubject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		if !strings.Contains(trace, "X-Popferry-Trace: ") {
			t.Errorf("%s: got %.300q, want trace lines on top", path, octets)
		}
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	return subjects
}

// Mail is kept on its server or deleted, and comes once. An account has a folder of
// its own.
func TestMailGoesIntoAMaildir(t *testing.T) {
	t.Parallel()
	for _, leave := range []string{"true", "false"} {
		src, dir := testworld.POP3(t, pop3test.Options{}, testworld.Mail(3)...), newMaildir(t)
		cfg := maildirConfig(t, src, dir, leave, ", create_folder: true")
		for _, want := range []string{"3 forwarded", "0 forwarded"} {
			if code, out, errs := popferry(t, "run", "--once", "--now", "--verbose", "--config", cfg); code != exitOK || strings.Count(out, want) != 2 {
				t.Fatalf("got exit %d, want %d and %s twice\n%s%s", code, exitOK, want, out, errs)
			}
		}
		for _, folder := range []string{dir, filepath.Join(dir, ".Arbeit.B&APw-ro")} {
			if got := fmt.Sprint(inMaildir(t, folder)); got != "[about 1 about 2 about 3]" {
				t.Errorf("leave_on_server: %s: %s has %s, want three messages", leave, folder, got)
			}
		}
		if left := len(src.Messages("leo")); left != map[string]int{"true": 3, "false": 0}[leave] {
			t.Errorf("leave_on_server: %s: %d are left on the server", leave, left)
		}
	}
}

// A disk that is not mounted swallows nothing, and no message is marked. When it is
// back, all of them come.
func TestMailWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	src, dir := testworld.POP3(t, pop3test.Options{}, testworld.Mail(3)...), newMaildir(t)
	cfg := maildirConfig(t, src, dir, "false", "")
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	code, _, errs := popferry(t, "run", "--once", "--now", "--config", cfg)
	for _, want := range []string{"the destination's folder is not there", filepath.Join(dir, "tmp"), "if its disk is mounted", "set create_folder: true", "Nothing is lost"} {
		if code != exitAgain || !strings.Contains(errs, want) {
			t.Errorf("got exit %d, want %d and %q\n%s", code, exitAgain, want, errs)
		}
	}
	if _, err := os.Lstat(dir); err == nil || len(src.Messages("leo")) != 3 {
		t.Errorf("%s: %v, and %d on the server; want nothing made, and 3", dir, err, len(src.Messages("leo")))
	}
	if _, out, _ := popferry(t, "messages", "--config", cfg); strings.Contains(out, "about") {
		t.Errorf("messages are marked:\n%s", out)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	// zoe's folder is still missing, which is no reason for leo's mail to wait, then
	// and later.
	code, _, errs = popferry(t, "run", "--once", "--now", "--config", cfg)
	if code != exitAgain || !strings.Contains(errs, "check the spelling of folder") || len(inMaildir(t, dir)) != 3 || len(src.Messages("zoe")) != 3 {
		t.Errorf("got exit %d, %q in the inbox and %d of zoe's on the server, want %d, three and three\n%s", code, inMaildir(t, dir), len(src.Messages("zoe")), exitAgain, errs)
	}
	src.Add("leo", pop3test.Message{UID: "later", Octets: []byte(testworld.OneMail)})
	if _, _, errs = popferry(t, "run", "--once", "--config", cfg); len(inMaildir(t, dir)) != 4 {
		t.Errorf("%q in the inbox, want one more\n%s", inMaildir(t, dir), errs)
	}
}

func TestCheckOfAMaildir(t *testing.T) {
	t.Parallel()
	src, dir := testworld.POP3(t, pop3test.Options{}), newMaildir(t)
	steps := func(code int, more string, args ...string) (all []string) {
		for _, s := range checkJSONOf(t, maildirConfig(t, src, dir, "true", more), code, args...).Destinations[0].Steps {
			all = append(all, strings.TrimSpace(fmt.Sprintln(s.Step, s.OK, *s.Cause)))
		}
		return all
	}
	for _, test := range []struct {
		name      string
		got, want []string
	}{
		{"a missing folder", steps(exitAgain, "", "--send"), []string{"folder true", "folder false folder_missing"}},
		{"a new folder", steps(exitOK, ", create_folder: true"), []string{"folder true", "folder true"}},
		{"a test message", steps(exitOK, "", "--send"), []string{"folder true", "folder true", "send true"}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
	if got := countIn(t, dir, "new"); got != 1 {
		t.Errorf("%d messages are in the Maildir, want the test message", got)
	}
}

// countIn is how many files are in one of a Maildir's folders.
func countIn(t *testing.T, dir, folder string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Dovecot reads what popferry has put into the Maildirs of its users: octet for
// octet, in the order in which it was received, with the date of that, and in a
// subfolder.
func TestDovecotReadsTheMaildir(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	for _, user := range []string{"isp", "inbox"} {
		d.AddUser(user, "secret")
	}
	want := make(map[[32]byte]int)
	var order string
	const mails = 12
	for n := range mails { // each of them goes to both folders
		m := letter("isp", n, 3000+n)
		// The newest is fetched first.
		at := time.Date(2026, 11, 22, 8, 59-n, 0, 0, time.UTC)
		m = []byte(strings.Replace(string(m), "Sun, 22 Nov 2026 08:00:00 +0000\r\nFrom", at.Format(time.RFC1123Z)+"\r\nFrom", 1))
		want[expected(m)] += 2
		d.Seed("isp", m)
		order = at.Local().Format(time.DateTime) + "\n" + order
	}
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %[1]s, tls: implicit, tls_ca_file: %[2]q, username: isp, password: secret}
  - {name: again, %[1]s, tls: implicit, tls_ca_file: %[2]q, username: isp@popferry.test, password: secret, folder: Büro/R&D}
forward:
  - {name: disk, protocol: maildir, path: %[3]q, create_folder: true}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), d.Maildir("inbox"))
	if code, out, errs := popferry(t, "run", "--once", "--config", cfg); code != exitOK {
		t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	for _, folder := range []string{"INBOX", "Büro.R&D"} {
		if got := d.Fetch("inbox", folder, "date.received"); got != order {
			t.Errorf("%s has the dates\n%swant, in the order of the UIDs,\n%s", folder, got, order)
		}
	}
	if got := fingerprints(t, filesBelow(t, d.Maildir("inbox"))); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d kinds of messages, want %d", len(got), len(want))
	}
}

// filesBelow yields the messages in a Maildir and its subfolders.
func filesBelow(t *testing.T, dir string) iter.Seq[[]byte] {
	t.Helper()
	return func(yield func([]byte) bool) {
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || !strings.Contains(e.Name(), ".popferry,S=") {
				return err
			}
			octets, err := os.ReadFile(path)
			if err == nil && !yield(octets) {
				return filepath.SkipAll
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
