package testworld

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files lists what is below a folder, a line each with its mode.
func Files(tb testing.TB, dir string) string {
	tb.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %v\n", name, info.Mode().Perm())
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b.String()
}
