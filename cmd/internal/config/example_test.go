package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/trust"
)

const examplePath = "../../../config.example.yaml"

// switchedOff matches a commented-out key of the example. Comments have a space
// after the #, except for the inner keys of a group.
var switchedOff = regexp.MustCompile(`(?m)^( *)#((?:  )?[a-z_]+:)`)

func loadExample(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path, Env{Guard: trust.Everybody(), Getenv: func(name string) string {
		if name == "HOME" {
			return "/home/leo"
		}
		return ""
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExampleDefaults: uncommenting every key of the example changes nothing,
// because the values there are the defaults.
func TestExampleDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "popferry.yaml")
	if err := os.WriteFile(path, switchedOff.ReplaceAll(text, []byte("$1$2")), 0o600); err != nil {
		t.Fatal(err)
	}
	short, full := bare(loadExample(t, examplePath)), bare(loadExample(t, path))
	if !reflect.DeepEqual(short, full) {
		t.Errorf("with every key uncommented: got\n%+v\nwant\n%+v", full, short)
	}
	if len(full.Warnings) > 0 {
		t.Errorf("warnings %q, want none", full.Warnings)
	}
}

// bare clears what depends on the file, and the secrets, which cannot be
// compared.
func bare(c *Config) *Config {
	c.Path, c.Warnings, c.Files = "", nil, nil
	for i := range c.Accounts {
		c.Accounts[i].File, c.Accounts[i].Secret = "", Secret{}
	}
	for i := range c.Forward {
		c.Forward[i].File, c.Forward[i].Secret = "", Secret{}
	}
	return c
}

// TestExampleKeys: the example has each key of the tables, with its default.
func TestExampleKeys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`(?s)^(.*\naccounts:.*)(\nforward:.*)(\n# When to poll.*)$`).FindSubmatch(text)
	if parts == nil {
		t.Fatal("the example does not have the parts accounts, forward and \"# When to poll\" in this order")
	}
	l := &loader{config: &Config{}}
	find := func(part []byte, keys keyTable) {
		for _, e := range keys {
			form := `\b` + e.name + `\b`
			if e.def != "" {
				form = `(?m)^[ #-]*` + e.name + `: "?` + regexp.QuoteMeta(e.def) + `"?$`
			}
			if !regexp.MustCompile(form).Match(part) {
				t.Errorf("want %s in the part that begins %.40q", form, part)
			}
		}
	}
	find(parts[1], l.accountKeys(&Account{}))
	find(parts[2], l.forwardKeys(&Destination{}))
	find(parts[3], l.settingKeys())
	for _, e := range l.settingKeys() {
		find(parts[3], e.sub)
	}
}

// TestDestinationsOfTheManual: each example in the page about destinations can be
// loaded, and says nothing that popferry would warn of.
func TestDestinationsOfTheManual(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../deploy/docs/destinations.md")
	if err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`password_file: ([^,}\s]+)`)
	examples := 0
	for _, block := range regexp.MustCompile(`(?m)^(?: {4}.*\n|\n)+`).FindAllString(string(text), -1) {
		if !regexp.MustCompile(`(?m)^ +forward:$`).MatchString(block) {
			continue
		}
		examples++
		dir := t.TempDir()
		for _, name := range secret.FindAllStringSubmatch(block, -1) {
			if err := os.WriteFile(filepath.Join(dir, name[1]), []byte("hunter2"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		yaml := dedented(block)
		if !strings.Contains(yaml, "accounts:") {
			yaml += "accounts:\n  - {host: pop.example.net, username: leo, password: hunter2}\n"
		}
		path := filepath.Join(dir, "popferry.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := loadExample(t, path); len(c.Warnings) > 0 {
			t.Errorf("%s\nwarnings %q, want none", yaml, c.Warnings)
		}
	}
	if examples < 6 {
		t.Errorf("%d examples, want one for each kind of inbox", examples)
	}
}

// dedented is an indented block without the indentation of its first line.
func dedented(block string) string {
	block = strings.TrimLeft(block, "\n")
	indent := block[:len(block)-len(strings.TrimLeft(block, " "))]
	var b strings.Builder
	for line := range strings.Lines(block) {
		b.WriteString(strings.TrimPrefix(line, indent))
	}
	return b.String()
}
