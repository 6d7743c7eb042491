//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// terminalSession is a popferry that a user has started at a terminal.
type terminalSession struct {
	*process
	t           *testing.T
	master, tty *os.File
	before      *term.State
	reading     sync.WaitGroup
}

// startAtTerminal starts the program that the tests have at their disposal.
func startAtTerminal(t *testing.T, dir string, args ...string) *terminalSession {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &terminalSession{process: command(t, "popferry", args...), t: t, master: master, tty: tty}
	s.Dir = dir
	s.Stdin, s.Stdout, s.Stderr = tty, tty, tty
	s.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // Ctrl-C reaches the process that has the terminal
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	if s.before, err = term.GetState(int(tty.Fd())); err != nil {
		t.Fatal(err)
	}
	s.begin(t)
	s.reading.Go(func() { _, _ = io.Copy(&s.out, master) }) // ends when the terminal is closed
	return s
}

// types waits for a question and answers it.
func (s *terminalSession) types(question, answer string) {
	s.t.Helper()
	testworld.WaitFor(s.t, question, func() bool { return strings.Contains(s.out.String(), question) })
	if _, err := io.WriteString(s.master, answer); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the end of the program.
func (s *terminalSession) ends() (code int) {
	s.t.Helper()
	err := s.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		s.t.Error(err)
	}
	_ = s.tty.Close()
	s.reading.Wait()
	_ = s.master.Close()
	return code
}

// A password is not shown, and Ctrl-C ends init at any question and leaves the
// terminal as it was.
func TestInitRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	src := testworld.POP3(t, pop3test.Options{TLS: &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}, ImplicitTLS: true})
	host, port := split(t, src.Addr())
	args := []string{"init", "--config", "popferry.yaml", "--address", "leo@isp.test", "--host", host, "--port", port, "--ca-file", authority.File()}
	const ctrlC = "\x03"
	tests := map[string]func(*terminalSession){
		"at the password": func(s *terminalSession) { s.types("Password at 127.0.0.1", ctrlC) },
		"in the middle of the password": func(s *terminalSession) {
			s.types("Password at 127.0.0.1", "sec")
			s.types("Password", ctrlC)
		},
		"after it": func(s *terminalSession) {
			s.types("Password at 127.0.0.1", "secret\n")
			s.types("Mail address of the inbox", ctrlC)
		},
	}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := startAtTerminal(t, dir, args...)
			play(s)
			testworld.WaitFor(t, "end", func() bool { return strings.Contains(s.out.String(), "nothing was written") })
			after, err := term.GetState(int(s.tty.Fd()))
			if err != nil || !reflect.DeepEqual(s.before, after) {
				t.Errorf("the terminal is %+v, %v; want it as before: %+v", after, err, s.before)
			}
			if code := s.ends(); code != exitOther || strings.Contains(s.out.String(), "sec") {
				t.Errorf("got exit %d, want %d, or the password is shown:\n%s", code, exitOther, s.out.String())
			}
			if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v; want nothing", left, err)
			}
		})
	}
}

// A line can be edited. What is typed while servers are tried is neither shown nor
// taken for an answer.
func TestInitReadsLinesAsTheyAreMeant(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	tried, goOn, once := make(chan struct{}), make(chan struct{}), new(sync.Once)
	src := testworld.POP3(t, pop3test.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}, ImplicitTLS: true, Users: map[string]string{"leo@isp.test": "secret"},
		Handle: func(_ *pop3test.Session, verb, _ string) bool {
			if verb == "AUTH" {
				once.Do(func() { close(tried); <-goOn })
			}
			return false
		},
	})
	host, port := split(t, src.Addr())
	s := startAtTerminal(t, t.TempDir(), "init", "--config", "popferry.yaml", "--host", host, "--port", port, "--ca-file", authority.File())
	const left, home, ctrlC = "\x1b[D", "\x1b[H", "\x03"
	s.types("Mail address of the mailbox", "eo@isp.tst"+left+left+"e"+home+"l\r")
	s.types("Password at", "wrong\r")
	<-tried
	s.types("", "my secret words\r")
	close(goOn)
	s.types("Try again", ctrlC)
	if code := s.ends(); code != exitOther {
		t.Errorf("exit %d, want %d", code, exitOther)
	}
	for text, want := range map[string]bool{"as leo@isp.test": true, "my secret words": false, "is not one of": false} {
		if got := strings.Contains(s.out.String(), text); got != want {
			t.Errorf("%q is on the screen: %t, want %t:\n%s", text, got, want, s.out.String())
		}
	}
}

// In the container image, which has no shell, what to do next is done from outside.
func TestInitInTheImage(t *testing.T) {
	authority := certtest.New(t)
	secured := &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}
	src := testworld.POP3(t, pop3test.Options{TLS: secured, ImplicitTLS: true, Users: map[string]string{"leo@isp.test": "secret"}})
	sink := testworld.SMTP(t, smtptest.Options{TLS: secured, Implicit: true})
	host, port := split(t, src.Addr())
	smtpHost, smtpPort := split(t, sink.Addr().String())
	dir := t.TempDir()
	testworld.Write(t, filepath.Join(dir, "secret"), "secret")
	c := command(t, "popferry", "init", "--yes", "--address", "leo@isp.test", "--host", host, "--port", port, "--ca-file", authority.File(), "--password-file", "secret",
		"--to", "me@inbox.test", "--smtp-host", smtpHost, "--smtp-port", smtpPort, "--smtp-tls", "implicit")
	c.Dir = dir
	c.Env = append(c.Environ(), "container=oci", "POPFERRY_CONFIG="+filepath.Join(dir, "popferry.yaml"), "STATE_DIRECTORY="+dir)
	c.begin(t)
	if err := c.Wait(); err != nil {
		t.Errorf("%v\n%s", err, c.out.String())
	}
	if got, want := c.out.String(), "Next:\n  docker compose up -d\n"; !strings.Contains(got, want) || strings.Contains(got, "cron") {
		t.Errorf("want %q in\n%s", want, got)
	}
}

// That a message waits is no reason not to go on with popferry run; that the first poll
// fails is one to look first.
func TestInitIsDoneIfMailWaits(t *testing.T) {
	t.Parallel()
	for stage, want := range map[forwarder.Stage]int{forwarder.StageDot: exitOK, forwarder.StageHello: exitAgain} {
		authority := certtest.New(t)
		secured := &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}
		src := testworld.POP3(t, pop3test.Options{TLS: secured, ImplicitTLS: true, Users: map[string]string{"leo@isp.test": "secret"}}, testworld.OneMail)
		var tried atomic.Bool // by init, before it polls
		sink := testworld.SMTP(t, smtptest.Options{TLS: secured, Implicit: true, Fault: func(e smtptest.Event) smtptest.Fault {
			if e.Stage == stage && tried.Load() {
				return smtptest.Fault{Code: 451, Text: "not now"}
			}
			if e.Stage == forwarder.StageRcpt {
				tried.Store(true)
			}
			return smtptest.Fault{}
		}})
		host, port := split(t, src.Addr())
		smtpHost, smtpPort := split(t, sink.Addr().String())
		dir := t.TempDir()
		testworld.Write(t, filepath.Join(dir, "secret"), "secret")
		c := command(t, "popferry", "init", "--yes", "--poll", "--config", "popferry.yaml", "--address", "leo@isp.test", "--host", host, "--port", port,
			"--ca-file", authority.File(), "--password-file", "secret", "--to", "me@inbox.test", "--smtp-host", smtpHost, "--smtp-port", smtpPort, "--smtp-tls", "implicit")
		c.Dir, c.Env = dir, append(c.Environ(), "STATE_DIRECTORY="+dir)
		err := c.Run()
		if got := c.ProcessState.ExitCode(); got != want {
			t.Errorf("refused for now at %v: got exit %d, %v; want %d\n%s", stage, got, err, want, c.out.String())
		}
	}
}
