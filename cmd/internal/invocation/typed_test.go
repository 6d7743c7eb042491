package invocation

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTyped(t *testing.T) {
	dir := t.TempDir()
	installed := filepath.Join(dir, "popferry")
	if err := os.WriteFile(installed, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for arg0, want := range map[string]string{installed: "popferry", "popferry": "popferry", "./popferry": "./popferry", "/elsewhere/popferry": "/elsewhere/popferry"} {
		if got := Typed(arg0); got != want {
			t.Errorf("%s: %s, want %s", arg0, got, want)
		}
	}
}
