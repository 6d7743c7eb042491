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
	_, err := shellCommand{text: "echo asking >&2; sleep 1000", dir: t.TempDir()}.run(t.Context(), 100*time.Millisecond)
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
		_, err := shellCommand{text: command, dir: t.TempDir()}.run(t.Context(), time.Minute)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("%s: got %v, want exit status 3 and no secret", command, err)
		}
	}
}

// TestPasswordAsCommand: a password that stands where a command belongs is not
// shown, whatever the shell makes of it. What programs complain of is.
func TestPasswordAsCommand(t *testing.T) {
	t.Parallel()
	for command, hidden := range map[string]string{
		"S3cretPassw0rd":           "S3cretPassw0rd",
		"S3c":                      "S3c",
		"S3c ret & w0rd":           "w0rd",
		"s3cret (passw0rd":         "passw0rd",
		"s3cret'passw0rd":          "passw0rd",
		"/no/such/S3cret":          "S3cret",
		"exec s3cretpassw0rd":      "s3cretpassw0rd",
		"echo ${s3cret-passw0rd:}": "s3cret",
	} {
		_, err := shellCommand{text: command, dir: t.TempDir()}.run(t.Context(), time.Minute)
		if err != nil && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(hidden)) {
			t.Errorf("%s: got %v, want no %s in it", command, err, hidden)
		}
	}
	_, err := shellCommand{text: "S3cretPassw0rd", dir: t.TempDir()}.run(t.Context(), time.Minute)
	if err == nil || !strings.HasPrefix(err.Error(), "the password command: exit status 127: sh: ") || !strings.HasSuffix(err.Error(), "***: not found") {
		t.Errorf("got %v, want what the shell says, without the command", err)
	}
	_, err = shellCommand{text: "cat no-such-file", dir: t.TempDir()}.run(t.Context(), time.Minute)
	if err == nil || !strings.Contains(err.Error(), "no-such-file") {
		t.Errorf("got %v, want the file that cat does not find", err)
	}
}

// TestCommandComplaintIsCut: no more of it is shown than anybody reads.
func TestCommandComplaintIsCut(t *testing.T) {
	t.Parallel()
	_, err := shellCommand{text: "yes no | head -c 5000 | tr '\\n' ' ' >&2; exit 3", dir: t.TempDir()}.run(t.Context(), time.Minute)
	if err == nil || !strings.HasSuffix(err.Error(), "...") || len(err.Error()) > 1100 {
		t.Errorf("got %v, want about 1 kB", err)
	}
}

// TestCommandErrorIsPrintable: what a command prints cannot control a terminal.
func TestCommandErrorIsPrintable(t *testing.T) {
	t.Parallel()
	_, err := shellCommand{text: `printf '\033[2Jlocked' >&2; exit 3`, dir: t.TempDir()}.run(t.Context(), time.Minute)
	if err == nil || !strings.HasSuffix(err.Error(), ": ?[2Jlocked") {
		t.Errorf("got %q, want the complaint without its escape", err)
	}
}

// TestCommandOfStoppedCaller: the error is the caller's, not the command's.
func TestCommandOfStoppedCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := shellCommand{text: "sleep 1000", dir: t.TempDir()}.run(ctx, time.Minute)
	if want := "the password command: context deadline exceeded"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
