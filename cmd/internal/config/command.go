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

	"github.com/popferry/popferry/cmd/internal/child"
	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
)

// commandTimeout is long: a password manager may have to ask another host.
const commandTimeout = 30 * time.Second

// shellCommand is one that prints a secret.
type shellCommand struct {
	text    string
	dir     string
	without func() []string // names of variables that it must not see; nil: none
}

// secret is what the command prints.
func (c shellCommand) secret() Secret {
	return Secret{get: func(ctx context.Context) (string, error) { return c.run(ctx, commandTimeout) }}
}

// run returns what the command prints. The processes that it started end with it,
// as far as the system can tell which these are.
func (c shellCommand) run(ctx context.Context, limit time.Duration) (string, error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %v", limit))
	defer cancel()
	cmd := exec.CommandContext(limited, "sh", "-c", c.text)
	cmd.Dir, cmd.Env = c.dir, c.environment(os.Environ())
	// What the shell leaves behind, and cannot be ended, would keep the pipes open.
	cmd.WaitDelay = time.Second
	var out limitedBuffer
	var complaint child.Tail
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := child.Run(cmd)
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the shell has succeeded; what it left behind has nothing to add
	}
	password := ""
	if err == nil {
		password, err = plain(out.buf.String())
	}
	if err != nil {
		// The first of these that is not nil caused the others.
		return "", c.failure(cmp.Or(ctx.Err(), context.Cause(limited), out.err, err), &complaint, out.buf.String())
	}
	return password, nil
}

// environment is what the command sees of the environment: not the passwords of
// other accounts.
func (c shellCommand) environment(all []string) []string {
	if c.without == nil {
		return child.Environment(all, nil)
	}
	return child.Environment(all, c.without())
}

// failure says why the command failed. It does not show the command, which may
// contain a secret, nor anything that it printed to stdout, also where its
// complaint repeats that.
func (c shellCommand) failure(err error, complaint *child.Tail, printed string) error {
	var mask login.Mask
	for line := range strings.Lines(strings.TrimPrefix(printed, byteOrderMark)) {
		mask.Hide(strings.TrimSpace(line))
	}
	prefix, said := "", complaint.LastLine()
	const shell = "sh: " // complains itself of what it is given, which may be a password: "sh: 1: hunter2: not found"
	if strings.Contains(complaint.String(), shell) {
		mask.Hide(c.text)
		for _, word := range c.words() {
			mask.Hide(word)
		}
		if rest, ok := strings.CutPrefix(said, shell); ok {
			prefix, said = shell, rest
		}
	}
	if said = printable.Reply(prefix + mask.Text(said)); said != "" {
		return fmt.Errorf("the password command: %w: %s", err, said)
	}
	return fmt.Errorf("the password command: %w", err)
}

// words are those of the command that the shell may complain of one by one.
// Shorter ones are in every complaint, except where they stand first.
func (c shellCommand) words() []string {
	words := strings.FieldsFunc(c.text, func(r rune) bool { return strings.ContainsRune(" \t;&|()<>`'\"", r) })
	const least = 3
	if len(words) > 1 {
		words = slices.Concat(words[:1], slices.DeleteFunc(words[1:], func(w string) bool { return len(w) < least }))
	}
	return words
}
