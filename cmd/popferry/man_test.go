package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/deploy/docs"
)

// TestHelpPrintsEachPage: every page of deploy/docs is a topic of help, and a
// manual page.
func TestHelpPrintsEachPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code := run(t.Context(), []string{"man", dir}, os.Stderr, os.Stderr); code != exitOK {
		t.Fatalf("man exits with %d, want %d", code, exitOK)
	}
	for _, page := range docs.Pages() {
		var out bytes.Buffer
		if code := run(t.Context(), []string{"help", page.Name}, &out, os.Stderr); code != exitOK {
			t.Errorf("help %s exits with %d, want %d", page.Name, code, exitOK)
		}
		if got := strings.TrimSpace(out.String()); got != page.Plain() {
			t.Errorf("help %s prints\n%s\nwant\n%s", page.Name, got, page.Plain())
		}
		manual, err := os.ReadFile(filepath.Join(dir, "popferry-"+page.Name+".7"))
		if err != nil || !bytes.Contains(manual, []byte(`.TH "popferry-`+page.Name+`" "7"`)) {
			t.Errorf("manual page of %s: %v, %.80q; want one of section 7", page.Name, err, manual)
		}
	}
}
