//go:build linux

package sdnotify_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/sdnotify"
)

// TestMessages: what arrives at a socket of either kind.
func TestMessages(t *testing.T) {
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
		n := sdnotify.FromEnv()
		if os.Getenv("NOTIFY_SOCKET") != "" {
			t.Error("children would speak for us")
		}
		if n.Watchdog() != 30*time.Second {
			t.Errorf("the watchdog waits %s", n.Watchdog())
		}
		for _, test := range []struct {
			tell func() error
			want string
		}{
			{func() error { return n.Ready("2\naccounts") }, `^READY=1\nSTATUS=2 accounts$`},
			{n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+\nSTATUS=.+$`},
			{n.Stopping, `^STOPPING=1\nSTATUS=.+$`},
			{n.Alive, `^WATCHDOG=1$`},
			{func() error { return n.Status("well") }, `^STATUS=well$`},
		} {
			if err := test.tell(); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 1000)
			size, err := l.Read(got)
			if err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(test.want).Match(got[:size]) {
				t.Errorf("%s: %q, want %s", kind, got[:size], test.want)
			}
		}
		_ = l.Close()
		if kind == "path" && n.Alive() == nil {
			t.Error("nobody listens, and no error")
		}
	}
}

// TestNobodyAsked: without a service manager nothing happens; a watchdog for
// another process is not ours.
func TestNobodyAsked(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "1000")
	if n := sdnotify.FromEnv(); n.Ready("") != nil || n.Reloading() != nil || n.Watchdog() != 0 {
		t.Error("it tells somebody")
	}
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	t.Setenv("WATCHDOG_USEC", "1000")
	t.Setenv("WATCHDOG_PID", "1")
	if n := sdnotify.FromEnv(); n.Watchdog() != 0 {
		t.Error("a watchdog for another process")
	}
}
