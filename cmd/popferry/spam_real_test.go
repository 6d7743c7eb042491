package main

import (
	"iter"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// What the mailbox's provider has marked as spam lies in the folder that Dovecot has for
// junk, and in that of a Maildir; all else is in the inbox, also what its sender marked.
func TestSpamFolderOnRealServers(t *testing.T) {
	t.Parallel()
	const received = "Received: from a by b; Sun, 1 Mar 2026 08:00:00 +0000\r\n"
	mail := func(subject, lines string) string {
		return lines + "Subject: " + subject + "\r\nMessage-ID: <" + subject + "@example.org>\r\n\r\ntext\r\n"
	}
	src := testworld.POP3(t, pop3test.Options{},
		mail("good", received+received),
		mail("marked", "X-Spam-Flag: YES\r\n"+received+received),
		mail("filtered", received+"X-Spam-Status: Yes, score=9\r\n"+received),
		mail("pretended", received+received+"X-Spam-Flag: YES\r\n"))
	d := realserver.StartDovecotIMAP(t)
	d.AddUser("me", "secret")
	disk := t.TempDir()
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
defaults: {%s, tls: none, password: secret}
accounts:
  - {name: isp, username: leo, forward: inbox}
  - {name: other, username: zoe, forward: disk}
forward:
  - {name: inbox, protocol: imap, %s, tls: starttls, tls_ca_file: %q, username: me@home.test, password: secret, spam_folder: auto}
  - {name: disk, protocol: maildir, path: %q, create_folder: true, spam_folder: auto}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, d.IMAP()), d.CAFile(), filepath.Join(disk, "Maildir"))
	if code, out, errs := popferry(t, "check", "--config", cfg); code != exitOK || !strings.Contains(out, "the folder for junk") {
		t.Errorf("check: got exit %d, want %d, and the folder for junk\n%s%s", code, exitOK, out, errs)
	}
	if code, out, errs := popferry(t, "run", "--once", "--config", cfg); code != exitOK {
		t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	for where, got := range map[string][2][]string{
		"Dovecot":   {subjects(d.Stored("me")), subjects(d.StoredIn("me", "Junk"))},
		"a Maildir": {inMaildir(t, filepath.Join(disk, "Maildir")), inMaildir(t, filepath.Join(disk, "Maildir", ".Junk"))},
	} {
		if want := [2][]string{{"good", "pretended"}, {"filtered", "marked"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("in the inbox and the junk of %s: %q, want %q", where, got, want)
		}
	}
}

// subjects are those of these messages, sorted.
func subjects(stored iter.Seq[[]byte]) (list []string) {
	for octets := range stored {
		_, rest, _ := strings.Cut(string(octets), "\r\nSubject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		list = append(list, subject)
	}
	slices.Sort(list)
	return list
}
