//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// On a terminal, bars show the progress of a long poll, and in the end only the
// summary is left. A terminal that cannot move its cursor has no bars.
func TestProgressBarsOnlyWhereTheyCanMove(t *testing.T) {
	t.Parallel()
	binary := build(t)
	moves, quick := regexp.MustCompile(`\x1b\[`), regexp.MustCompile(`fast: .* 0\.[0-8] s`)
	for name, c := range map[string]struct {
		env  []string
		bars bool
	}{
		"a terminal":      {[]string{"TERM=xterm", "NO_COLOR="}, true},
		"without colours": {[]string{"TERM=xterm", "NO_COLOR=1"}, true},
		"a dumb terminal": {[]string{"TERM=dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSlowPOP3(t, letter("leo", 1, 3000), letter("leo", 2, 100_000))
			out, end := slowPoll(t, binary, s, c.env)
			if c.bars {
				testworld.WaitFor(t, "bar", func() bool {
					return strings.Contains(out.String(), "slow [") && strings.Contains(out.String(), "] 1 of 2 messages, 53 kB of 103 kB, ")
				})
			} else {
				<-s.half
			}
			close(s.release)
			if err := end(); err != nil {
				t.Errorf("%v\n%q", err, out.String())
			}
			all := out.String()
			if moves.MatchString(all) != c.bars {
				t.Errorf("got %q, want bars: %t", all, c.bars)
			}
			// On a busy machine its poll may be a long one, too.
			if strings.Contains(all, "fast [") && quick.MatchString(all) {
				t.Errorf("a poll that is soon over has a bar: %q", all)
			}
			if last := all[max(0, strings.LastIndex(all, "\x1b[")):]; strings.Contains(last, "slow [") || !strings.Contains(last, "slow: 2 forwarded, 0 held") {
				t.Errorf("at the end: got %q, want no bars and the summary", last)
			}
			if regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(all) {
				t.Errorf("got colours, want none: %q", all)
			}
		})
	}
}

// slowPOP3 is a server that sends half of the second message, and the rest when
// release is closed.
type slowPOP3 struct {
	*pop3test.Server
	half, release chan struct{}
}

func startSlowPOP3(t *testing.T, first, second []byte) slowPOP3 {
	t.Helper()
	s := slowPOP3{half: make(chan struct{}), release: make(chan struct{})}
	s.Server = testworld.POP3(t, pop3test.Options{Handle: func(sess *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "2" || sess.User() != "leo" {
			return false
		}
		text := strings.TrimSuffix(strings.ReplaceAll(string(second), "\n.", "\n.."), "\r\n")
		sess.Write("+OK\r\n" + text[:len(text)/2])
		_ = sess.Flush()
		close(s.half)
		<-s.release
		sess.Write(text[len(text)/2:] + "\r\n.\r\n")
		return true
	}})
	for i, octets := range [][]byte{first, second} {
		s.Add("leo", pop3test.Message{UID: fmt.Sprint("uid-", i+1), Octets: octets})
	}
	return s
}

// slowPoll polls once, at a terminal of its own; end waits for it.
func slowPoll(t *testing.T, binary string, s slowPOP3, env []string) (shown *testworld.Output, end func() error) {
	t.Helper()
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
state: popferry.db
log: {level: error}
accounts:
  - {name: slow, %s, tls: none, username: leo, password: secret}
  - {name: fast, %[1]s, tls: none, username: zoe, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, s.Addr()), testworld.HostPort(t, sink.Addr().String()))
	p := command(t, binary, "run", "--once", "--config", cfg, "slow", "fast")
	master, tty, err := pty.Open()
	if err == nil {
		err = pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Stdout, p.Stderr = tty, tty
	p.Env = append(os.Environ(), env...)
	p.begin(t)
	_ = tty.Close() // the process has its own
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&p.out, master) }) // ends with an error when nobody has the terminal open any more
	return &p.out, func() error {
		err := p.Wait()
		reading.Wait()
		return errors.Join(err, master.Close())
	}
}
