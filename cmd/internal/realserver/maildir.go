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

// maildir is one mailbox on disk.
type maildir struct {
	tb   testing.TB
	path string
}

// newMaildir makes the mailbox of user unless it is there.
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

// add writes one message as the first-th of the mailbox. Servers list in the
// order of the numbers that file names begin with.
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

// microseconds finds when a file was delivered in its name: 1700000000.M5P1.host
// by Dovecot, 1700000000.V801I7M5.host by Postfix, neither padded with zeros.
var microseconds = regexp.MustCompile(`^(\d+)\.(?:[^.]*M(\d+))?`)

// age is the time of a file's delivery.
func age(file string) int64 {
	at := microseconds.FindStringSubmatch(filepath.Base(file))
	if at == nil {
		return 0
	}
	seconds, _ := strconv.ParseInt(at[1], 10, 64)
	micro, _ := strconv.ParseInt(at[2], 10, 64) // "" is 0
	return seconds*1_000_000 + micro
}

// wait returns when the mailbox holds n messages, or an error when ctx ends.
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

// delivered yields each message without what its delivery put on top.
func (m maildir) delivered() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, file := range m.files() {
			octets, err := os.ReadFile(file)
			check(m.tb, err)
			if !yield(wire(belowReceived(octets))) {
				return
			}
		}
	}
}

// belowReceived is what stands below the topmost Received field, which is the
// last thing that a delivering server adds (Return-Path and Delivered-To come
// above it); all of it, if there is no such field.
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

// wire gives a stored message the line ends that it was received with. The
// servers store each CRLF as LF, and nothing else changes.
func wire(stored []byte) []byte { return bytes.ReplaceAll(stored, []byte("\n"), []byte("\r\n")) }
