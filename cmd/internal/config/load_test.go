package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/trust"
)

// environment returns an Env with these variables and no others.
func environment(vars map[string]string) config.Env {
	return config.Env{
		Guard: trust.Everybody(), // testdata may belong to another user, in a container for instance
		Getenv: func(name string) string {
			if v, ok := vars[name]; ok {
				return v
			}
			if name == "HOME" {
				return "/home/leo"
			}
			return ""
		},
		CheckSchedule: func(expr string) error {
			if !strings.HasPrefix(expr, "@every ") && len(strings.Fields(expr)) != 5 {
				return errors.New("not five fields")
			}
			return nil
		},
	}
}

// TestLoadReportsAllErrors loads each testdata/bad/*.yaml and compares the error with the file
// NAME.want beside it.
func TestLoadReportsAllErrors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v; want at least 15", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			want, _ := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".want")
			_, err := config.Load(path, environment(nil))
			if err == nil {
				t.Fatal("no error, want one")
			}
			var all *config.Errors
			if !errors.As(err, &all) {
				t.Fatalf("got a %T (%v), want a *config.Errors", err, err)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows the password, want it hidden")
			}
		})
	}
}
