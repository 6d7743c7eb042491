package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/memtest"
)

// FuzzLoad holds that any file is either a whole configuration or an *Errors
// that says something, and takes memory in proportion.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "../../../config.example.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "popferry.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var c *config.Config
		var err error
		if most := uint64(2<<20 + 2048*len(text)); memtest.Exceeds(most, func() { c, err = config.Load(path, environment(nil)) }) {
			t.Errorf("a file of %d octets takes more than %d", len(text), most)
		}
		var all *config.Errors
		switch {
		case err == nil && (len(c.Accounts) == 0 || len(c.Forward) == 0):
			t.Error("got a configuration without accounts or destinations, want an error")
		case err != nil && (c != nil || !errors.As(err, &all) || len(all.List) == 0):
			t.Errorf("got %v and %T (%v), want no configuration and a *config.Errors", c, err, err)
		}
		if err != nil {
			return
		}
		for _, a := range c.Accounts {
			if a.Name == "" || a.Host == "" || a.Port == 0 || a.Username == "" || a.Secret.IsZero() {
				t.Errorf("got %+v, want name, host, port, username and secret", a)
			}
			if enveloped := len(a.To) > 0 && a.From != ""; enveloped == (a.Folder != "") {
				t.Errorf("got %+v, want to and from, or a folder", a)
			}
		}
	})
}
