package config

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestCommandLimit: the error says how long the command had.
func TestCommandLimit(t *testing.T) {
	t.Parallel()
	_, err := runCommand(t.Context(), "echo asking >&2; sleep 1000", t.TempDir(), 100*time.Millisecond)
	if want := "the password command: it did not end within 100ms: asking"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestCommandErrorHidesTheSecret: also where the command prints it to stderr.
func TestCommandErrorHidesTheSecret(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"echo hunter2; echo it is hunter2, is it not >&2; exit 3",
		"set -x; echo hunter2; exit 3",
		`printf '\357\273\277hunter2\r\n'; echo "<hunter2>" >&2; exit 3`,
		"echo '{'; echo hunter2; echo '}'; echo refused: hunter2 >&2; exit 3",
	} {
		_, err := runCommand(t.Context(), command, t.TempDir(), time.Minute)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("%s: got %v, want exit status 3 and no secret", command, err)
		}
	}
}

// TestCommandErrorIsPrintable: what a command prints cannot control a terminal.
func TestCommandErrorIsPrintable(t *testing.T) {
	t.Parallel()
	_, err := runCommand(t.Context(), `printf '\033[2Jlocked' >&2; exit 3`, t.TempDir(), time.Minute)
	if err == nil || !strings.HasSuffix(err.Error(), ": ?[2Jlocked") {
		t.Errorf("got %q, want the complaint without its escape", err)
	}
}

// TestCommandOfStoppedCaller: the error is the caller's, not the command's.
func TestCommandOfStoppedCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := runCommand(ctx, "sleep 1000", t.TempDir(), time.Minute)
	if want := "the password command: context deadline exceeded"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
