package config_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// write makes a configuration and returns its path.
func write(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "popferry.yaml")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// secretOf loads a configuration whose one account has this password key.
func secretOf(t *testing.T, path, key string, vars map[string]string) config.Secret {
	t.Helper()
	text := "accounts: [{host: pop.example.net, username: leo, " + key + "}]\nforward: [{host: localhost, to: leo@example.org}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, path, vars).Accounts[0].Secret
}

func TestSecretGet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	for path, text := range map[string]string{
		"own":             "hunter2\n",
		"crlf":            "hunter2\r\n",
		"space":           " hunter2 \n\n",
		"cr":              "hunter2\r",
		"bom":             "\xef\xbb\xbfhunter2\r\n",
		"latin1":          "Gr\xfc\xdfe\r\n",
		"utf16":           "\xff\xfeh\x00u\x00n\x00",
		"utf16be":         "\xfe\xff\x00h\x00u\x00n",
		"nul":             "h\x00u\x00n\x00",
		"lines":           "hunter2\nuser: leo\n",
		"ends":            "\r\n\n",
		"both":            "wrong",
		"credentials/one": "hunter2",
		"folder/isp":      "hunter2",
		"huge":            strings.Repeat("x", 100_000),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(credentials, "both"), []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"PASSWORD": "hunter2", "LINE": "hunter2\n", "CREDENTIALS_DIRECTORY": credentials}

	for _, tt := range []struct {
		name, key, want, err string
	}{
		{name: "literal", key: "password: hunter2", want: "hunter2"},
		{name: "number", key: "password: 0123", want: "0123"},
		{name: "env", key: "password_env: PASSWORD", want: "hunter2"},
		{name: "env unset", key: "password_env: UNSET", err: "the environment variable UNSET is not set"},
		{name: "file", key: "password_file: own", want: "hunter2"},
		{name: "file with CRLF", key: "password_file: crlf", want: "hunter2"},
		{name: "file with newlines cut, blanks not", key: "password_file: space", want: " hunter2 "},
		{name: "file with CR", key: "password_file: cr", want: "hunter2"},
		{name: "file with a byte order mark", key: "password_file: bom", want: "hunter2"},
		{name: "file in Latin-1", key: "password_file: latin1", want: "Gr\xfc\xdfe"},
		{name: "file in UTF-16", key: "password_file: utf16", err: dir + "/utf16: it is in UTF-16; save it in UTF-8"},
		{name: "file in big-endian UTF-16", key: "password_file: utf16be", err: "it is in UTF-16"},
		{name: "file in UTF-16 without a mark", key: "password_file: nul", err: "it is in UTF-16"},
		{name: "file with several lines", key: "password_file: lines", err: "the password has more than one line"},
		{name: "file with line ends alone", key: "password_file: ends", err: "the password is empty"},
		{name: "env with a newline", key: "password_env: LINE", want: "hunter2"},
		{name: "literal with a newline", key: `password: "hunter2\n"`, want: "hunter2"},
		{name: "credential", key: "password_file: one", want: "hunter2"},
		{name: "credential first", key: "password_file: both", want: "hunter2"},
		{name: "what a credential is made of", key: "password_file: folder_isp", want: "hunter2"},
		{name: "huge file", key: "password_file: huge", err: "reading the password from " + dir + "/huge: more than 65536 octets"},
		{name: "command", key: "password_command: cat own", want: "hunter2"},
		{name: "command prints nothing", key: "password_command: 'true'", err: "the password is empty"},
		{name: "command fails", key: "password_command: echo hunter2; echo locked >&2; exit 3", err: "the password command: exit status 3: locked"},
		{name: "command with a byte order mark", key: "password_command: cat bom", want: "hunter2"},
		{name: "command in Latin-1", key: "password_command: cat latin1", want: "Gr\xfc\xdfe"},
		{name: "command prints several lines", key: "password_command: cat lines", err: "the password has more than one line"},
		{name: "command complains in several lines", key: `password_command: printf 'Traceback\n  at x\nlocked\n\n' >&2; exit 3`, err: "the password command: exit status 3: locked"},
		{name: "command leaves a child behind", key: "password_command: sleep 1000 & echo hunter2", want: "hunter2"},
		{name: "command never ends", key: "password_command: yes", err: "more than 65536 octets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := secretOf(t, filepath.Join(dir, "popferry.yaml"), tt.key, vars)
			got, err := secret.Get(context.Background())
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			case got != tt.want:
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSecretIsReadAgain: a file that changes between two logins needs no restart.
func TestSecretIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	secret := secretOf(t, filepath.Join(dir, "popferry.yaml"), "password_file: secret", nil)
	for _, password := range []string{"old", "new"} {
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := secret.Get(context.Background()); got != password || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, password)
		}
	}
}

func TestSecretCommandIsCancelled(t *testing.T) {
	t.Parallel()
	secret := secretOf(t, filepath.Join(t.TempDir(), "popferry.yaml"), "password_command: sleep 1000", nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := secret.Get(ctx); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v, want context canceled", err)
	}
}

// TestSecretCommandDoesNotNotifySystemd: a command does not inherit systemd's
// socket, or it could speak for popferry.
func TestSecretCommandDoesNotNotifySystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/notify")
	secret := secretOf(t, filepath.Join(t.TempDir(), "popferry.yaml"), `password_command: echo "<$NOTIFY_SOCKET>"`, nil)
	if got, err := secret.Get(t.Context()); err != nil || got != "<>" {
		t.Errorf("got %q, %v, want <>", got, err)
	}
}

// TestCommandSeesNoOtherPasswords: those of other accounts and of destinations in
// the environment are not its business.
func TestCommandSeesNoOtherPasswords(t *testing.T) {
	for _, name := range []string{"H7_ISP", "H7_RELAY", "H7_OTHER"} {
		t.Setenv(name, "there")
	}
	c := load(t, write(t, 0o600, `
accounts:
  - {host: pop.example.net, username: leo, password_command: 'echo "<$H7_ISP$H7_RELAY>$H7_OTHER"'}
  - {host: pop.example.net, username: zoe, password_env: H7_ISP}
forward: [{host: smtp.example.org, username: leo, password_env: H7_RELAY, to: leo@example.org}]
`), nil)
	if got, err := c.Accounts[0].Secret.Get(t.Context()); err != nil || got != "<>there" {
		t.Errorf("got %q, %v, want <>there", got, err)
	}
}

// TestSecretsAreHidden: no way to print or encode a configuration shows them.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	path := write(t, 0o600, `
accounts: [{host: pop.example.net, username: leo, password: hunter2}]
forward: [{host: smtp.example.org, username: leo, password: hunter2, to: leo@example.org}]
`)
	c := load(t, path, nil)
	secret := c.Accounts[0].Secret
	hidden := struct{ inner config.Account }{c.Accounts[0]} // fmt calls no methods behind an unexported field

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "config", c, "secret", secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("loaded", "config", c, "secret", secret)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(encoded), secret.String(), fmt.Sprint(secret)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, what := range []any{c, *c, secret, &secret, hidden, c.Forward} {
			shown = append(shown, fmt.Sprintf(verb, what))
		}
	}
	for _, s := range shown {
		if strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("got %s, want no password in it", s)
		}
	}
	if got := fmt.Sprintf("%v %#v %s", secret, secret, secret); got != "*** *** ***" {
		t.Errorf("got %s, want *** *** ***", got)
	}
	if !strings.Contains(string(encoded), `"Secret":"***"`) {
		t.Errorf("JSON %s, want \"Secret\":\"***\" in it", encoded)
	}
}

// TestPasswordInTheWrongPlace: a password that stands where the name of a variable
// or file belongs is not shown, and the names that people use are.
func TestPasswordInTheWrongPlace(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"password_env: S3cretPassw0rd":         "there is no environment variable of this name",
		"password_env: s3cret":                 "there is no environment variable of this name",
		"password_env: ISP_PASSWORD_2":         "the environment variable ISP_PASSWORD_2 is not set",
		"password_file: S3cretPassw0rd":        "cannot read a file of this name in DIR (the name is not shown",
		"password_file: s3cret/passw0rd":       "cannot read a file of this name in DIR (the name is not shown",
		"password_file: s3cret/../../pw0rd":    "cannot read a file of this name (the name is not shown",
		"password_file: isp.password":          "cannot read DIR/isp.password: no such file",
		"password_file: ./isp":                 "cannot read DIR/isp: no such file",
		"password_file: /no/such/file":         "cannot read /no/such/file: no such file",
		"password_file: passwords/isp.txt":     "cannot read DIR/passwords/isp.txt: no such file",
		"password_command: S3cretPassw0rd; :x": "",
	} {
		path := write(t, 0o600, "accounts:\n  - {name: isp, host: pop.example.net, username: leo, "+key+"}\nforward: [{host: localhost, to: leo@example.org}]\n")
		var said []string
		c, err := config.Load(path, environment(nil))
		if err != nil {
			said = append(said, err.Error())
		} else {
			said = append(said, fmt.Sprint(c.Warnings))
		}
		env := environment(nil)
		env.ReadOnly = true // does not look for the file
		if c, err = config.Load(path, env); err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		_, err = c.Accounts[0].Secret.Get(t.Context())
		said = append(said, fmt.Sprint(err))
		name, _, _ := strings.Cut(key, ":")
		if want = strings.ReplaceAll(want, "DIR", filepath.Dir(path)); want != "" && !strings.Contains(said[0], ":2: accounts[isp]."+name+": "+want) {
			t.Errorf("%s: got %s, want %s", key, said[0], want)
		}
		for _, text := range said {
			if strings.Contains(strings.ToLower(text), "s3cret") {
				t.Errorf("%s: got %s, want no password in it", key, text)
			}
		}
	}
}
