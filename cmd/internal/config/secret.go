package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

const hidden = "***"

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
	switch {
	case err != nil:
	case password == "":
		err = errors.New("the password is empty")
	case strings.ContainsAny(password, "\r\n"):
		err = errors.New("the password has more than one line; keep only the password there")
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
