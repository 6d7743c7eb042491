package docs_test

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/popferry/popferry/deploy/docs"
)

// The example in the program is the one at the top of the repository.
func TestExampleIsTheSame(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if docs.Example == string(want) {
		return
	}
	t.Error("example.yaml is not config.example.yaml; to copy it: POPFERRY_WRITE_GOLDEN=1 go test ./deploy/docs")
	if os.Getenv("POPFERRY_WRITE_GOLDEN") != "" {
		if err := os.WriteFile("example.yaml", want, 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Error(err)
		}
	}
}

// TestPagesReadWellInATerminal: each page has a title, and no line is longer
// than a terminal's.
func TestPagesReadWellInATerminal(t *testing.T) {
	t.Parallel()
	const columns = 80
	pages := docs.Pages()
	if len(pages) < 3 {
		t.Fatalf("%d pages are embedded, want guarantees, failures and exit-codes at least", len(pages))
	}
	for _, p := range pages {
		file, err := os.ReadFile(p.Name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		if p.Title == "" || p.Text() == "" || !strings.HasPrefix(string(file), "# "+p.Title+"\n") {
			t.Errorf("%s.md: title %q and %d octets of text, want a first line \"# TITLE\" and a text below it", p.Name, p.Title, len(p.Text()))
		}
		for i, line := range strings.Split(string(file), "\n") {
			if n := utf8.RuneCountInString(line); n > columns {
				t.Errorf("%s.md:%d has %d columns, want at most %d", p.Name, i+1, n, columns)
			}
		}
		if plain := p.Plain(); strings.Contains(plain, "**") || !strings.HasPrefix(plain, strings.ToUpper(p.Title)+"\n") {
			t.Errorf("%s: got %.60q, want the title in capitals and no marks for bold", p.Name, plain)
		}
	}
}
