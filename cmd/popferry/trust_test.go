//go:build linux

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
)

// A running popferry does not take over a configuration that others can write to, and
// says why; once that is mended it reads the new one by itself.
func TestReloadRefusesWhatOthersCanWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.OneMail)
	f.edit("log: {level: error}", "log: {level: info}")
	p := start(t, build(t), "run", "--config", f.config)
	p.logged(t, 1, "msg=polled account=isp")
	chmod(t, f.config, 0o602)
	f.edit("name: isp", "name: evil")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.logged(t, 1, "the new configuration cannot be used, the old one goes on")
	p.logged(t, 1, "other users can write to it (mode 0602), so popferry does not use it; if nobody has changed it, run chmod o-w "+f.config)
	chmod(t, f.config, 0o600)
	p.logged(t, 1, "configuration read again")
	p.terminate(t)
	if log := p.out.String(); strings.Contains(log[:strings.Index(log, "configuration read again")], "evil") {
		t.Errorf("the account of the refused configuration is in the log:\n%s", log)
	}
}

// A ledger that others can write to is used by no command, also not to look.
func TestLedgerThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.OneMail)
	f.poll(false)
	ledger := strings.TrimSuffix(f.config, "popferry.yaml") + "popferry.db"
	chmod(t, ledger, 0o606)
	refusal := []string{"state: " + ledger + ": other users can write to it (mode 0606)", "run chmod o-w " + ledger}
	for _, args := range [][]string{{"status"}, {"messages"}, {"retry", "isp", "uid-1"}, {"run", "--once"}} {
		f.do(exitConfig, refusal, args...)
	}
	chmod(t, ledger, 0o600)
	f.do(exitOK, []string{"isp"}, "status")
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
