//go:build unix

package config_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/trust"
)

// trusting is an environment of the test's user, outside of a container.
func trusting() config.Env {
	env := environment(nil)
	env.Guard = trust.As(os.Geteuid(), false)
	return env
}

// household is a folder with a configuration, an included file and two secrets.
func household(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "etc")
	for _, d := range []string{dir, filepath.Join(dir, "accounts.d"), filepath.Join(dir, "secrets")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"popferry.yaml": `include: [accounts.d/*.yaml]
listen: 127.0.0.1:8110
web: {password_file: secrets/page}
forward: [{host: smtp.example.org, to: [leo@example.org], tls_cert_file: secrets/cert, tls_key_file: secrets/key}]
`,
		"accounts.d/isp.yaml": "accounts: [{host: pop.example.net, username: leo, password_file: ../secrets/isp}]\n",
		"secrets/page":        "long enough", "secrets/isp": "hunter2", "secrets/cert": "x", "secrets/key": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A file that others can write to or replace is an error, wherever it is named; of
// one that they can only read popferry warns if it has a secret.
func TestFilesThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	const replace = "other users can replace what is in its folder "
	for _, tt := range []struct {
		path string // below the folder
		mode os.FileMode
		want string // DIR is the folder
	}{
		{"popferry.yaml", 0o602, "DIR/popferry.yaml: other users can write to it (mode 0602), so popferry does not use it; if nobody has changed it, run chmod o-w DIR/popferry.yaml"},
		{"accounts.d/isp.yaml", 0o606, "DIR/accounts.d/isp.yaml: other users can write to it (mode 0606)"},
		{"accounts.d", 0o703, "DIR/accounts.d/isp.yaml: " + replace + "DIR/accounts.d (mode 0703), so popferry does not use it; if nobody has changed it, run chmod o-w DIR/accounts.d"},
		{".", 0o702, "DIR/popferry.yaml: " + replace + "DIR (mode 0702)"},
		{"secrets", 0o702, "DIR/popferry.yaml:3: web.password_file: DIR/secrets/page: " + replace + "DIR/secrets (mode 0702)"},
		{"secrets/page", 0o602, "DIR/popferry.yaml:3: web.password_file: DIR/secrets/page: other users can write to it (mode 0602)"},
		{"secrets/key", 0o602, "DIR/popferry.yaml:4: forward[0].tls_key_file: DIR/secrets/key: other users can write to it (mode 0602)"},
		{"secrets/cert", 0o602, "DIR/popferry.yaml:4: forward[0].tls_cert_file: DIR/secrets/cert: other users can write to it (mode 0602)"},
		{"secrets/isp", 0o602, "DIR/accounts.d/isp.yaml:1: accounts[0].password_file: DIR/secrets/isp: other users can write to it"},
	} {
		dir := household(t)
		change(t, filepath.Join(dir, tt.path), tt.mode)
		_, err := config.Load(filepath.Join(dir, "popferry.yaml"), trusting())
		want := strings.ReplaceAll(tt.want, "DIR", dir)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %04o: got\n%v\nwant\n%s", tt.path, tt.mode, err, want)
			continue
		}
		// Mending it is a change of a file that is watched.
		culprit := filepath.Join(dir, tt.path)
		all, ok := err.(*config.Errors)
		if !ok || !slices.ContainsFunc(all.Files, func(f string) bool { return f == culprit }) {
			t.Errorf("%s: the files are %v, want %s among them", tt.path, all.Files, culprit)
		}
	}
	for path, want := range map[string]string{
		"popferry.yaml": "", // it has no password
		"secrets/key":   "DIR/popferry.yaml:4: forward[0].tls_key_file: other users can read DIR/secrets/key (mode 0604); run chmod 600 DIR/secrets/key",
		"secrets/page":  "DIR/popferry.yaml:3: web.password_file: other users can read DIR/secrets/page (mode 0604); run chmod 600 DIR/secrets/page",
		"secrets/cert":  "",
	} {
		dir := household(t)
		change(t, filepath.Join(dir, path), 0o604)
		c, err := config.Load(filepath.Join(dir, "popferry.yaml"), trusting())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Warnings, "\n"); got != strings.ReplaceAll(want, "DIR", dir) {
			t.Errorf("%s: warnings %q, want %q", path, got, strings.ReplaceAll(want, "DIR", dir))
		}
	}
}

// A command that only looks reads no secrets: they may be another user's.
func TestSecretsOfAnotherUser(t *testing.T) {
	t.Parallel()
	dir := household(t)
	change(t, filepath.Join(dir, "secrets/isp"), 0o606)
	env := trusting()
	env.ReadOnly = true
	if _, err := config.Load(filepath.Join(dir, "popferry.yaml"), env); err != nil {
		t.Errorf("read-only: %v, want no error", err)
	}
}

// A password is read at each login: what has happened to its file since counts.
func TestPasswordFileIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	dir := household(t)
	c, err := config.Load(filepath.Join(dir, "popferry.yaml"), trusting())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Accounts[0].Secret.Get(context.Background()); got != "hunter2" || err != nil {
		t.Fatalf("got %q, %v, want hunter2", got, err)
	}
	change(t, filepath.Join(dir, "secrets/isp"), 0o606)
	if got, err := c.Accounts[0].Secret.Get(context.Background()); got != "" || err == nil || !strings.Contains(err.Error(), "reading the password: ") || !strings.Contains(err.Error(), "other users can write to it (mode 0606)") {
		t.Errorf("got %q, %v; want an error about the mode", got, err)
	}
}

func change(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
