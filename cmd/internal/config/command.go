package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// commandTimeout is long: a password manager may have to ask another host.
const commandTimeout = 30 * time.Second

// secretFromCommand runs a shell command in the folder dir.
func secretFromCommand(command, dir string) Secret {
	return Secret{get: func(ctx context.Context) (string, error) { return runCommand(ctx, command, dir, commandTimeout) }}
}

// runCommand returns what a shell command prints. The processes that it started
// end with it, as far as the system can tell which these are.
func runCommand(ctx context.Context, command, dir string, limit time.Duration) (string, error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %v", limit))
	defer cancel()
	cmd := exec.CommandContext(limited, "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") // only popferry itself reports to systemd
	})
	defer endWithChildren(cmd)()
	// What the shell leaves behind, and cannot be ended, would keep the pipes open.
	cmd.WaitDelay = time.Second
	var out limitedBuffer
	var complaint tail
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the shell has succeeded; what it left behind has nothing to add
	}
	password := ""
	if err == nil {
		password, err = plain(out.buf.String())
	}
	if err != nil {
		// The first of these that is not nil caused the others.
		return "", commandError(cmp.Or(ctx.Err(), context.Cause(limited), out.err, err), complaint.lastLine(), out.buf.String())
	}
	return password, nil
}

// commandError says why a password command failed. It does not show the command,
// which may contain a secret, nor anything that it printed to stdout, also where
// its complaint repeats that.
func commandError(err error, complaint, printed string) error {
	for line := range strings.Lines(strings.TrimPrefix(printed, byteOrderMark)) {
		if line = strings.TrimSpace(line); line != "" {
			complaint = strings.ReplaceAll(complaint, line, hidden)
		}
	}
	if complaint != "" {
		return fmt.Errorf("the password command: %w: %s", err, terminal.Printable(complaint, 0))
	}
	return fmt.Errorf("the password command: %w", err)
}

// tail keeps the end of what a command wrote to stderr.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 400
	t.text = append(t.text, p...)
	if excess := len(t.text) - most; excess > 0 {
		t.text = append(t.text[:0], t.text[excess:]...)
	}
	return len(p), nil
}

// lastLine is the last one that is not blank: the reason usually comes last.
func (t *tail) lastLine() string {
	lines := strings.FieldsFunc(string(t.text), func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		if words := strings.Join(strings.Fields(line), " "); words != "" {
			return words
		}
	}
	return ""
}
