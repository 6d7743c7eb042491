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

// TestManual: popferry(1) has the sections that man-pages(7) names.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code := run(t.Context(), []string{"man", dir}, os.Stderr, os.Stderr); code != exitOK {
		t.Fatalf("man exits with %d, want %d", code, exitOK)
	}
	manual, err := os.ReadFile(filepath.Join(dir, "popferry.1"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fP`, "").Replace(string(manual))
	for _, want := range []string{".SH COMMANDS", ".SH EXIT STATUS", ".SH SIGNALS", ".SH FILES", ".SH EXAMPLES", ".SH SEE ALSO\npopferry.yaml(5), ", "init: Set up a mailbox", "popferry retry isp --state held"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	for _, path := range []string{"popferry.1", "popferry-run.1"} {
		page, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || bytes.Contains(page, []byte("=false")) {
			t.Errorf("%s: %v, or a switch with a value", path, err)
		}
	}
}
