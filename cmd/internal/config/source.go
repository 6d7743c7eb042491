package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/popferry/popferry/cmd/internal/trust"
)

const (
	maxSecret     = 64 << 10 // octets; tokens are long, but not that long
	byteOrderMark = "\ufeff"
)

// secretFromEnv reads an environment variable.
func secretFromEnv(name string, getenv func(string) string) Secret {
	return Secret{get: func(context.Context) (string, error) {
		password := getenv(name)
		if password == "" {
			return "", notSet(name)
		}
		return cutLineEnds(password), nil
	}}
}

// usualVariable matches the names that environment variables have as a rule.
var usualVariable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// notSet is the error for an environment variable without a value. An unusual name
// is not shown: it may be the password itself, written in the wrong place.
func notSet(name string) error {
	if !usualVariable.MatchString(name) {
		return errors.New("there is no environment variable of this name, which is not shown because it may be a password")
	}
	return fmt.Errorf("the environment variable %s is not set", name)
}

// usualFile matches the names of files that no password looks like.
var usualFile = regexp.MustCompile(`\.(password|passwd|pass|pw|secret|token|txt)$`)

// shownFile is a file that cannot be read, as errors name it: by its path, or only
// by its folder if the name that was configured may be the password itself.
func shownFile(name, path string) string {
	if filepath.IsAbs(name) || strings.HasPrefix(name, "~/") || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || usualFile.MatchString(name) {
		return path
	}
	const hint = " (the name is not shown because it may be a password)"
	folder, ok := strings.CutSuffix(path, filepath.Clean(name))
	switch folder = filepath.Clean(folder); {
	case !ok: // as with a/../../b
		return "a file of this name" + hint
	case folder == ".":
		return "a file of this name in the current folder" + hint
	}
	return "a file of this name in " + folder + hint
}

// secretFromFile reads the file that find returns at each call, if nobody else can
// have written it. Its configured name is shown only if it is a path.
func secretFromFile(guard *trust.Guard, name string, find func() string) Secret {
	return Secret{get: func(context.Context) (string, error) {
		path := find()
		f, err := guard.Open(path)
		if err != nil {
			return "", fmt.Errorf("reading the password: %s: %w", shownFile(name, path), reason(err))
		}
		defer func() { _ = f.Close() }()
		var out limitedBuffer
		_, err = io.Copy(&out, f)
		password := ""
		if err == nil {
			password, err = plain(out.buf.String())
		}
		if err != nil {
			return "", fmt.Errorf("reading the password from %s: %w", f.Name(), err)
		}
		return password, nil
	}}
}

// errUTF16 is for what some editors and PowerShell write unless told otherwise.
var errUTF16 = errors.New("it is in UTF-16; save it in UTF-8")

// plain returns a secret without the byte order mark in front of it, which
// editors on Windows write, and without the line ends behind it. Octets that are
// not UTF-8 stay as they are: they may be Latin-1, which the server compares.
func plain(octets string) (string, error) {
	if strings.HasPrefix(octets, "\xff\xfe") || strings.HasPrefix(octets, "\xfe\xff") || strings.Contains(octets, "\x00") {
		return "", errUTF16
	}
	return cutLineEnds(strings.TrimPrefix(octets, byteOrderMark)), nil
}

// cutLineEnds cuts the line ends that editors and echo write at the end. Blanks
// may belong to a password.
func cutLineEnds(s string) string { return strings.TrimRight(s, "\r\n") }

// limitedBuffer is a buffer for at most maxSecret octets. The buffer is not
// embedded, because its ReadFrom would bypass the limit.
type limitedBuffer struct {
	buf bytes.Buffer
	err error
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.buf.Len()+len(p) > maxSecret {
		l.err = fmt.Errorf("more than %d octets", maxSecret)
		return 0, l.err
	}
	return l.buf.Write(p)
}
