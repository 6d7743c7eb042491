//go:build linux

package daemon

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSystemdMessages: what arrives at a socket of either kind.
func TestSystemdMessages(t *testing.T) {
	for kind, name := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@popferry-test-%d", os.Getpid()),
	} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", name)
		t.Setenv("WATCHDOG_USEC", "30000000")
		t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
		var log strings.Builder
		s := newSystemd(slog.New(slog.NewTextHandler(&log, nil)))
		if s.watchdog != 30*time.Second {
			t.Errorf("%s: got a watchdog of %s, want 30s", kind, s.watchdog)
		}
		if left := os.Getenv("WATCHDOG_USEC") + os.Getenv("WATCHDOG_PID"); left != "" {
			t.Errorf("%s: children inherit the watchdog: %q", kind, left)
		}
		for _, test := range []struct {
			send func()
			want string
		}{
			{func() { s.ready("2 accounts") }, `^READY=1\nSTATUS=2 accounts$`},
			{s.reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+\nSTATUS=.+$`},
			{s.stopping, `^STOPPING=1\nSTATUS=.+$`},
			{s.alive, `^WATCHDOG=1$`},
		} {
			test.send()
			got := make([]byte, 1000)
			n, err := l.Read(got)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(test.want).Match(got[:n]) {
				t.Errorf("%s: got %q, want %s", kind, got[:n], test.want)
			}
		}
		if log.Len() > 0 {
			t.Errorf("%s: got %s, want nothing logged", kind, log.String())
		}
		_ = l.Close()
		if kind == "path" {
			if s.alive(); !strings.Contains(log.String(), "the service manager could not be notified") {
				t.Errorf("nobody listens: got %q, want a warning", log.String())
			}
		}
	}
}

// TestWithoutSystemd: without a service manager nothing is sent, and a watchdog
// for another process is ignored.
func TestWithoutSystemd(t *testing.T) {
	var log strings.Builder
	text := slog.New(slog.NewTextHandler(&log, nil))
	t.Setenv("NOTIFY_SOCKET", "")
	s := newSystemd(text)
	s.ready("")
	s.reloading()
	if log.Len() > 0 || s.watchdog != 0 {
		t.Errorf("got a watchdog of %s and %q logged, want 0 and nothing", s.watchdog, log.String())
	}
	t.Setenv("WATCHDOG_USEC", "1000")
	t.Setenv("WATCHDOG_PID", "1")
	if s := newSystemd(text); s.watchdog != 0 {
		t.Errorf("a watchdog for another process: got %s, want 0", s.watchdog)
	}
}
