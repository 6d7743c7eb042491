//go:build unix

package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCommandEndsWithItsChildren: also those that it runs in the background, when
// it takes too long, when its caller stops, and when it ends by itself.
func TestCommandEndsWithItsChildren(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		last  string // of the command
		limit time.Duration
		stop  bool // by the caller, once the child runs
	}{
		"too long":       {"wait", 500 * time.Millisecond, false},
		"stopped":        {"wait", time.Minute, true},
		"succeeds":       {"echo hunter2", time.Minute, false},
		"fails":          {"exit 3", time.Minute, false},
		"prints forever": {"yes", time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.stop {
				go func() {
					childOf(t, dir)
					cancel()
				}()
			}
			_, _ = shellCommand{text: "(sleep 1000; true) & echo $! >new && mv new child; " + tt.last, dir: dir}.run(ctx, tt.limit)
			child := childOf(t, dir)
			for end := time.Now().Add(10 * time.Second); !errors.Is(syscall.Kill(child, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
				if stat, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat"); strings.Contains(string(stat), ") Z ") {
					break // an ended child that nobody waits for, as in a container without init
				}
				if time.Now().After(end) {
					t.Fatalf("got process %d still running, want it ended", child)
				}
			}
		})
	}
}

// childOf waits for the process id that a command writes to a file.
func childOf(t *testing.T, dir string) int {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "child"))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Error(err)
		}
		return pid
	}
	t.Error("got no child, want one")
	return 0
}
