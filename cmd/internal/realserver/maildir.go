package realserver

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// maildir is a mailbox on disk.
type maildir struct {
	tb   testing.TB
	path string
}

// newMaildir creates the mailbox of a user if it does not exist.
func (s scratch) newMaildir(user string) maildir {
	s.tb.Helper()
	uid, gid := owner()
	for _, part := range []string{"", "tmp", "new", "cur"} {
		s.mkdir(filepath.Join("mail", user, part), 0o700, uid, gid)
	}
	return s.maildir(user)
}

func (s scratch) maildir(user string) maildir {
	return maildir{s.tb, s.path(filepath.Join("mail", user))}
}

// add writes a message with this number. Servers list messages in the order of the
// numbers at the beginning of the file names.
func (m maildir) add(number int, write func(io.Writer) error) {
	m.tb.Helper()
	name := fmt.Sprintf("%d.seeded.popferry", 1_700_000_000+number)
	unfinished := filepath.Join(m.path, "tmp", name)
	file, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	check(m.tb, err)
	defer file.Close()
	check(m.tb, write(file))
	uid, gid := owner()
	check(m.tb, file.Chown(uid, gid))
	check(m.tb, os.Rename(unfinished, filepath.Join(m.path, "new", name)))
}

// files lists the messages in the order of their delivery.
func (m maildir) files() []string {
	m.tb.Helper()
	var all []string
	for _, part := range []string{"new", "cur"} {
		found, err := filepath.Glob(filepath.Join(m.path, part, "*"))
		check(m.tb, err)
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(age(a), age(b)) })
	return all
}

// microseconds matches the time of delivery in a file name: 1700000000.M5P1.host
// by Dovecot, 1700000000.V801I7M5.host by Postfix, both without leading zeros.
var microseconds = regexp.MustCompile(`^(\d+)\.(?:[^.]*M(\d+))?`)

// age returns the time of delivery of a file, in microseconds.
func age(file string) int64 {
	at := microseconds.FindStringSubmatch(filepath.Base(file))
	if at == nil {
		return 0
	}
	seconds, _ := strconv.ParseInt(at[1], 10, 64)
	micro, _ := strconv.ParseInt(at[2], 10, 64) // "" is 0
	return seconds*1_000_000 + micro
}

// wait waits until the mailbox has n messages. It returns an error at the end of
// ctx.
func (m maildir) wait(ctx context.Context, n int) error {
	for {
		have := len(m.files())
		if have >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages delivered: %w", have, n, ctx.Err())
		case <-time.After(tick):
		}
	}
}

// stored yields each message as it is in the mailbox, with CRLF line ends.
func (m maildir) stored() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, file := range m.files() {
			octets, err := os.ReadFile(file)
			check(m.tb, err)
			if !yield(wire(octets)) {
				return
			}
		}
	}
}

// delivered yields each message without the lines that its delivery added.
func (m maildir) delivered() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for octets := range m.stored() {
			if !yield(belowReceived(octets)) {
				return
			}
		}
	}
}

// belowReceived returns what is below the first Received field, which is the last
// line that a delivering server adds (Return-Path and Delivered-To are above it).
// Without such a field it returns everything.
func belowReceived(stored []byte) []byte {
	rest, found := stored, false
	for len(rest) > 0 {
		line, next, _ := bytes.Cut(rest, []byte("\n"))
		folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		switch {
		case found && !folded:
			return rest
		case len(bytes.TrimRight(line, "\r")) == 0:
			return stored // the end of the header
		}
		found = found || bytes.HasPrefix(bytes.ToLower(line), []byte("received:"))
		rest = next
	}
	return stored
}

// wire restores the line ends of a stored message: the servers store each CRLF as
// LF and change nothing else.
func wire(stored []byte) []byte { return bytes.ReplaceAll(stored, []byte("\n"), []byte("\r\n")) }
