package main

import (
	"os"
	"os/exec"
	"path/filepath"
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
				if got := moved + countNew(t, dir); got != messages {
					t.Errorf("%d of %d messages are there (%d before the crash), want each once", got, messages, moved)
				}
				if left := len(src.Messages("leo")); left != map[string]int{"true": messages, "false": 0}[leave] {
					t.Errorf("%d messages are left on the server", left)
				}
			})
		}
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
