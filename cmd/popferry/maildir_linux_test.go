package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// The process is killed between the Maildir and the ledger, and a mail program has
// the messages moved before popferry is back. Each of them is there once all the
// same.
func TestKilledWithAMaildir(t *testing.T) {
	t.Parallel()
	binary := build(t, "-tags", "failpoint")
	const messages = 5
	for _, point := range []string{"intended:1", "answered:1", "answered:3", "written:1", "forwarded:1"} {
		for _, leave := range []string{"true", "false"} {
			t.Run(point+" leave_on_server "+leave, func(t *testing.T) {
				t.Parallel()
				src, dir := testworld.POP3(t, pop3test.Options{}), newMaildir(t)
				for n, text := range testworld.Mail(messages) {
					src.Add("leo", pop3test.Message{UID: string(rune('a' + n)), Octets: []byte(text)})
				}
				args := []string{"run", "--once", "--now", "--config", maildirConfig(t, src, dir, leave, ", create_folder: true")}
				c := exec.CommandContext(t.Context(), binary, args...)
				c.Env = append(os.Environ(), "POPFERRY_FAILPOINT="+point)
				if out, err := c.CombinedOutput(); c.ProcessState.ExitCode() != -1 {
					t.Fatalf("the process was not killed: %v\n%s", err, out)
				}
				moved := readAll(t, dir)
				if out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput(); err != nil {
					t.Fatalf("after the crash: %v\n%s", err, out)
				}
				if got := moved + countIn(t, dir, "new"); got != messages {
					t.Errorf("%d of %d messages are there (%d before the crash), want each once", got, messages, moved)
				}
				if left := len(src.Messages("leo")); left != map[string]int{"true": messages, "false": 0}[leave] {
					t.Errorf("%d messages are left on the server", left)
				}
			})
		}
	}
}

// A message that has no room on the disk holds up no smaller one, nothing of it is
// left behind, and it comes by itself once there is room.
func TestMaildirOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	large := "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 30_000)
	src := testworld.POP3(t, pop3test.Options{}, large, testworld.OneMail)
	dir := filepath.Join(disk, "Maildir")
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false}
forward:
  - {name: disk, protocol: maildir, path: %q, create_folder: true}
`, testworld.HostPort(t, src.Addr()), dir)
	if _, out, errs := popferry(t, "run", "--once", "--now", "--config", cfg); !strings.Contains(out, "1 forwarded, 0 held, 1 deferred") || strings.Contains(errs, "spool.dir") {
		t.Errorf("got\n%s%s\nwant the small one forwarded and the large one deferred", out, errs)
	}
	if got, rest := inMaildir(t, dir), countIn(t, dir, "tmp"); fmt.Sprint(got) != "[one]" || rest != 0 || len(src.Messages("leo")) != 1 {
		t.Errorf("the Maildir has %q and %d files in tmp, the server %d; want the small one, none, and 1", got, rest, len(src.Messages("leo")))
	}
	if _, out, _ := popferry(t, "messages", "--config", cfg); !strings.Contains(out, "refused: 452 4.3.1 no space left") {
		t.Errorf("messages says\n%s\nwant that there was no space", out)
	}
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=10m"); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := popferry(t, "run", "--once", "--now", "--config", cfg); code != exitOK || countIn(t, dir, "new") != 2 || len(src.Messages("leo")) != 0 {
		t.Errorf("got exit %d and %d messages, want %d and 2\n%s%s", code, countIn(t, dir, "new"), exitOK, out, errs)
	}
}

// readAll does what a mail program does with new messages, and counts them.
func readAll(t *testing.T, dir string) (moved int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if err := os.Rename(path, filepath.Join(dir, "cur", filepath.Base(path)+":2,S")); err != nil {
			t.Fatal(err)
		}
	}
	return len(files)
}
