package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each machine gets the way that fits it.
func TestKind(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		machine Machine
		want    Kind
	}{
		"a server":              {Machine{OS: "linux", Systemd: true, Root: true}, SystemdSystem},
		"a desktop":             {Machine{OS: "linux", Systemd: true}, SystemdUser},
		"a NAS without systemd": {Machine{OS: "linux", Root: true}, Cron},
		"a container":           {Machine{OS: "linux", Systemd: true, Container: true}, Compose},
		"a pod":                 {Machine{OS: "linux", Container: true, Kubernetes: true}, Kubernetes},
		"macOS":                 {Machine{OS: "darwin"}, Launchd},
		"Windows":               {Machine{OS: "windows"}, Windows},
		"FreeBSD":               {Machine{OS: "freebsd"}, Cron},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.machine.Kind(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// The page of the reference has the same commands.
func TestPageHasTheCommands(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../deploy/docs/service.md")
	if err != nil {
		t.Fatal(err)
	}
	root := Setup{Program: "/usr/local/bin/popferry"}
	for kind, s := range map[Kind]Setup{
		SystemdSystem: root,
		SystemdUser:   root,
		Launchd:       root,
		Windows:       {Program: `C:\popferry\popferry.exe`},
		Cron:          root,
		Compose:       root,
		Kubernetes:    root,
	} {
		var block strings.Builder
		for line := range strings.Lines(s.Commands(kind)) {
			if line != "\n" {
				line = "    " + line
			}
			block.WriteString(line)
		}
		if !strings.Contains(string(page), block.String()) {
			t.Errorf("%v: service.md does not have\n%s", kind, block.String())
		}
	}
}

// A shell that runs the commands writes what was meant, whatever is in the paths.
func TestCommandsSurviveTheShell(t *testing.T) {
	t.Parallel()
	s := Setup{Program: "/opt/it's 100%/popferry", Config: "/etc/a b/popferry.yaml", StateDir: "/var/lib/x y"}
	home := t.TempDir()
	shell := func(commands string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "sh", "-ec", commands)
		c.Env = []string{"HOME=" + home, "PATH=" + filepath.Join(home, "bin") + ":/usr/bin:/bin"}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{"crontab": "case $1 in -l) echo before;; -) cat >$HOME/crontab;; esac", "systemctl": ":", "loginctl": ":", "launchctl": ":"} {
		if err := os.WriteFile(filepath.Join(home, "bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	for _, kind := range []Kind{Cron, SystemdUser, Launchd} {
		shell(s.Commands(kind))
	}
	for file, want := range map[string]string{
		"crontab":                               "before\n" + `*/10 * * * * STATE_DIRECTORY='/var/lib/x y' '/opt/it'\''s 100\%/popferry' run --once --quiet --config '/etc/a b/popferry.yaml'` + "\n",
		".config/systemd/user/popferry.service": `ExecStart="/opt/it's 100%%/popferry" run --config "/etc/a b/popferry.yaml"` + "\n",
		"Library/LaunchAgents/popferry.plist":   "<string>/opt/it's 100%/popferry</string><string>run</string>\n<string>--config</string><string>/etc/a b/popferry.yaml</string>\n",
	} {
		text, err := os.ReadFile(filepath.Join(home, file))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v\n%s\nwant it to have\n%s", file, err, text, want)
		}
	}
}
