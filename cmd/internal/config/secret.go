package config

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	commandTimeout = 30 * time.Second // a password manager may have to ask another host
	maxSecret      = 64 << 10         // octets; tokens are long, but not that long
	hidden         = "***"
)

// Secret is a password that never shows itself. It is a function, so that code
// that prints, compares or encodes structs cannot get at the password. The zero
// value is no password.
type Secret struct {
	get  func(context.Context) (string, error)
	ends func() time.Time // nil: not known
}

// NewSecret returns a Secret with a known value, for tests and demonstrations.
func NewSecret(password string) Secret {
	return Secret{get: func(context.Context) (string, error) { return password, nil }}
}

// Get returns the current password. Call it at each login: it reads the file,
// variable or command each time, so that a new password needs no restart. The
// error is a *SecretError; it names the source and never shows its content.
func (s Secret) Get(ctx context.Context) (string, error) {
	if s.get == nil {
		return "", &SecretError{errors.New("no password is configured")}
	}
	password, err := s.get(ctx)
	if err == nil && password == "" {
		err = errors.New("the password is empty")
	}
	if err != nil {
		return "", &SecretError{err}
	}
	return password, nil
}

// SecretError: the password could not be read from its source.
type SecretError struct{ Err error }

func (e *SecretError) Error() string { return e.Err.Error() }
func (e *SecretError) Unwrap() error { return e.Err }

// Ends returns when the access token that Get returned last expires; zero if
// that is not known.
func (s Secret) Ends() time.Time {
	if s.ends == nil {
		return time.Time{}
	}
	return s.ends()
}

// IsZero reports whether there is no password.
func (s Secret) IsZero() bool { return s.get == nil }

// String returns "***".
func (s Secret) String() string { return hidden }

// Format writes "***" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns "***", for JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// secretFromEnv reads an environment variable.
func secretFromEnv(name string, getenv func(string) string) Secret {
	return Secret{get: func(context.Context) (string, error) {
		password := getenv(name)
		if password == "" {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return password, nil
	}}
}

// secretFromFile reads the file that find returns at each call.
func secretFromFile(find func() string) Secret {
	return Secret{get: func(context.Context) (string, error) {
		f, err := os.Open(find())
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		defer func() { _ = f.Close() }()
		var out limited
		if _, err := io.Copy(&out, f); err != nil {
			return "", fmt.Errorf("reading the password from %s: %w", f.Name(), err)
		}
		return cutNewline(out.buf.String()), nil
	}}
}

// secretFromCommand runs a shell command in the folder dir.
func secretFromCommand(command, dir string) Secret {
	return Secret{get: func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir = dir
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
			return strings.HasPrefix(v, "NOTIFY_SOCKET=") // only popferry itself reports to systemd
		})
		// A child that outlives the shell would keep the pipes open forever.
		cmd.WaitDelay = time.Second
		var out limited
		var complaint tail
		cmd.Stdout, cmd.Stderr = &out, &complaint
		if err := cmd.Run(); err != nil {
			// The first of these that is not nil caused the others.
			return "", commandError(cmp.Or(ctx.Err(), out.err, err), complaint.text)
		}
		return cutNewline(out.buf.String()), nil
	}}
}

// commandError says why a password command failed. It shows neither the command,
// which may contain a secret, nor what it printed to stdout.
func commandError(err error, complaint []byte) error {
	if words := strings.Join(strings.Fields(string(complaint)), " "); words != "" {
		return fmt.Errorf("the password command: %w: %s", err, words)
	}
	return fmt.Errorf("the password command: %w", err)
}

// cutNewline cuts the newline that editors and echo write at the end.
func cutNewline(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return strings.TrimSuffix(s, "\r")
}

// limited is a buffer for at most maxSecret octets. The buffer is not embedded,
// because its ReadFrom would bypass the limit.
type limited struct {
	buf bytes.Buffer
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.buf.Len()+len(p) > maxSecret {
		l.err = fmt.Errorf("more than %d octets", maxSecret)
		return 0, l.err
	}
	return l.buf.Write(p)
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
