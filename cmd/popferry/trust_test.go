//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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

// init says before the first question that it cannot write, whose the folder is, and in
// a container as whom to run it.
func TestInitWhereItCannotWrite(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run popferry as another user")
	}
	const user, owner = 54321, 54322
	dir, err := os.MkdirTemp("", "popferry") // that user can get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	chmod(t, dir, 0o755)
	program, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "popferry")
	testworld.Write(t, binary, string(program))
	chmod(t, binary, 0o755)
	ledgers := filepath.Join(dir, "ledgers")
	for _, folder := range []string{"root", "owner", "own", "all", "ledgers"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for folder, uid := range map[string]int{"owner": owner, "own": user, "all": user, "ledgers": user} {
		if err := os.Chown(filepath.Join(dir, folder), uid, 100); err != nil {
			t.Fatal(err)
		}
	}
	chmod(t, filepath.Join(dir, "all"), 0o777)
	for _, tt := range []struct {
		name, folder, env, ledgers string
		code                       int
		says                       []string
	}{
		{"root's", "root", "container=oci", ledgers, exitConfig, []string{
			"the configuration cannot be written to " + dir + "/root/accounts.d: it does not exist, and cannot be made in " + dir + "/root: permission denied. It belongs to root (mode 0755), and uid 54321 runs popferry; " +
				"run sudo chown 54321 " + dir + "/root, on the host for the folder that is mounted there. With rootless podman", "PUID=0 and PGID=0"}},
		{"another user's, in a container", "owner", "container=oci", ledgers, exitConfig, []string{
			"belongs to uid 54322", "run the container as that user: PUID=54322 and PGID=100 in the file .env beside compose.yaml, or --user 54322:100. Or run sudo chown 54321 "}},
		{"another user's, in Kubernetes", "owner", "KUBERNETES_SERVICE_HOST=192.0.2.1", ledgers, exitConfig, []string{"set runAsUser: 54322"}},
		{"another user's", "owner", "A=b", ledgers, exitConfig, []string{"if you trust what is in there, run sudo chown 54321 " + dir + "/owner"}},
		{"everybody's, in a container", "all", "container=oci", ledgers, exitConfig, []string{"other users can replace what is in its folder", "a shared folder of a NAS", "that only uid 54321 can use (mkdir -m 700)"}},
		{"the ledger's", "own", "A=b", filepath.Join(dir, "root"), exitConfig, []string{"the ledger, which notes what was forwarded, would be in " + dir + "/root", "It belongs to root"}},
		{"his own", "own", "A=b", ledgers, exitUsage, []string{"stdin is not a terminal, so init cannot ask"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := command(t, binary, "init")
			p.Env = []string{"HOME=" + dir, "STATE_DIRECTORY=" + tt.ledgers, "POPFERRY_CONFIG=" + filepath.Join(dir, tt.folder, "popferry.yaml"), tt.env}
			p.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
			err := p.Run()
			exit, _ := errors.AsType[*exec.ExitError](err)
			if exit == nil || exit.ExitCode() != tt.code {
				t.Errorf("got %v, want exit %d", err, tt.code)
			}
			for _, want := range tt.says {
				if !strings.Contains(p.out.String(), want) {
					t.Errorf("got\n%s\nwant %q in it", p.out.String(), want)
				}
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
