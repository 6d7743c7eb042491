package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestAccountSettings: what a poll depends on changes them, and nothing else does.
func TestAccountSettings(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(ca, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	account := func(change func(*config.Account)) string {
		write("old")
		c := config.Account{Name: "isp", Schedule: "@hourly", File: "popferry.yaml", Line: 7,
			Server: config.Server{Host: "pop.example.net", Port: 995, Username: "leo", Secret: config.NewSecret("one"), TLS: config.TLS{Mode: config.TLSImplicit, CAFile: ca}}}
		change(&c)
		return accountSettings(c)
	}
	before := account(func(*config.Account) {})
	for name, tt := range map[string]struct {
		change  func(*config.Account)
		another bool
	}{
		"name":         {func(c *config.Account) { c.Name = "work" }, false},
		"schedule":     {func(c *config.Account) { c.Schedule = "@daily" }, false},
		"place":        {func(c *config.Account) { c.File, c.Line = "more.yaml", 1 }, false},
		"password":     {func(c *config.Account) { c.Secret = config.NewSecret("two") }, false},
		"host":         {func(c *config.Account) { c.Host = "pop.example.org" }, true},
		"port":         {func(c *config.Account) { c.Port = 1995 }, true},
		"tls":          {func(c *config.Account) { c.TLS.Mode = config.TLSNone }, true},
		"content":      {func(*config.Account) { write("new") }, true},
		"user":         {func(c *config.Account) { c.Username = "eva" }, true},
		"login method": {func(c *config.Account) { c.Auth = "plain" }, true},
		"time limit":   {func(c *config.Account) { c.Timeout = 1 }, true},
	} {
		if got := account(tt.change); (got != before) != tt.another {
			t.Errorf("another %s: %s, before %s; want another one: %v", name, got, before, tt.another)
		}
	}
}
