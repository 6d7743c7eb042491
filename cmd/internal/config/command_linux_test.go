package config

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoZombies: as process 1, as in a container, popferry waits for what its
// commands leave behind, and still learns how they end themselves.
func TestNoZombies(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAsProcess1$", "-test.v")
	cmd.Env = append(os.Environ(), "POPFERRY_TEST_PROCESS_1="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		t.Skip("no new namespaces here:", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestAsProcess1") {
		t.Errorf("got %v, want success:\n%s", err, out)
	}
}

// TestAsProcess1 is the process of TestNoZombies.
func TestAsProcess1(t *testing.T) {
	dir := os.Getenv("POPFERRY_TEST_PROCESS_1")
	if dir == "" {
		t.Skip("TestNoZombies runs it")
	}
	if os.Getpid() != 1 {
		t.Fatalf("got process %d, want 1", os.Getpid())
	}
	run := func(text, want string) {
		t.Helper()
		if got, err := (shellCommand{text: text, dir: dir}).run(t.Context(), time.Minute); got != want || err != nil && !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
	gone := func(name string) bool {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) // a zombie is still there
	}
	for _, end := range []struct{ text, want string }{{"echo hunter2", "hunter2"}, {"exit 3", ""}} {
		run("sh -c 'sleep 1000 & echo $! >child'; "+end.text, end.want)
		if !gone("child") {
			t.Errorf("after %s: got its orphan still there, want it ended and waited for", end.text)
		}
	}
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip(err)
	}
	run("setsid sh -c 'echo $$ >left; mv left daemon' & while ! test -e daemon; do :; done; echo hunter2", "hunter2")
	for end := time.Now().Add(10 * time.Second); !gone("daemon"); run("echo hunter2", "hunter2") {
		if time.Now().After(end) {
			t.Fatal("got what had left its group still there, want it waited for")
		}
	}
}
