package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestIslands: the client, the ledger and the forwarder know nothing of each
// other, nor of those who use them. Their tests do not either.
func TestIslands(t *testing.T) {
	t.Parallel()
	islands := []string{"fetcher/pop3", "fetcher/ledger", "forwarder"}
	for _, p := range packages(t) {
		for _, home := range islands {
			if !within(p.name(), home) {
				continue
			}
			for _, dep := range slices.Concat(p.Deps, p.tests()) {
				if strings.HasPrefix(dep, module) && !within(relative(dep), home) {
					t.Errorf("%s needs %s: nothing below %s may need more of this module than itself", p.name(), relative(dep), home)
				}
			}
		}
	}
}

// TestFetcher: the fetcher and its rooms take types from the islands, whose
// behaviour reaches them through the fetcher's own interfaces. No room knows
// more of the others than it needs.
func TestFetcher(t *testing.T) {
	t.Parallel()
	needs := map[string][]string{
		"fetcher":          {"fetcher/mailbox", "fetcher/identify", "fetcher/outcome", "fetcher/message", "fetcher/spool", "fetcher/pop3", "fetcher/ledger", "forwarder"},
		"fetcher/mailbox":  {"fetcher/identify", "fetcher/message", "fetcher/spool", "fetcher/pop3", "fetcher/ledger"},
		"fetcher/identify": {"fetcher/pop3", "fetcher/ledger"},
		"fetcher/outcome":  {"fetcher/ledger", "forwarder"},
		"fetcher/spool":    {},
		"fetcher/message":  {"fetcher/spool", "fetcher/ledger"},
	}
	for _, p := range packages(t) {
		allowed, ok := needs[p.name()]
		if !ok {
			continue
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, module) && !slices.Contains(allowed, relative(dep)) {
				t.Errorf("%s needs %s: it may need %v", p.name(), relative(dep), allowed)
			}
		}
	}
}

// TestOneImporter: these libraries can be replaced in one place.
func TestOneImporter(t *testing.T) {
	t.Parallel()
	only := map[string]string{
		"gopkg.in/yaml.v3":          "cmd/internal/config",
		"github.com/robfig/cron/v3": "cmd/internal/schedule",
		"modernc.org/sqlite":        "fetcher/ledger/sqlite",
		"github.com/spf13/cobra":    "cmd/popferry",
		"github.com/vbauerster/mpb": "cmd/internal/progress",
		"github.com/knadh/go-pop3":  "(tests)",
	}
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			for library, owner := range only {
				if within(path, library) && p.name() != owner {
					t.Errorf("%s imports %s: only %s may", p.name(), library, owner)
				}
			}
		}
	}
}

// TestNothingEndsTheProgram: outside of cmd, errors are returned.
func TestNothingEndsTheProgram(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if within(p.name(), "cmd") {
			continue
		}
		for _, name := range p.GoFiles {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && ends(call) {
					at := files.Position(call.Pos())
					t.Errorf("%s/%s:%d ends the program: return an error", p.name(), name, at.Line)
				}
				return true
			})
		}
	}
}

// ends tells whether a call is one of panic, os.Exit, log.Fatal and log.Panic.
func ends(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "panic"
	case *ast.SelectorExpr:
		from, ok := f.X.(*ast.Ident)
		if !ok {
			return false
		}
		return from.Name == "os" && f.Sel.Name == "Exit" ||
			from.Name == "log" && (strings.HasPrefix(f.Sel.Name, "Fatal") || strings.HasPrefix(f.Sel.Name, "Panic"))
	}
	return false
}

// TestTop: who opens the repository sees these names, and files with a dot.
func TestTop(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(top, ".git")); err != nil {
		t.Skip("not a clone: other files may be here")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	allowed := []string{"cmd", "fetcher", "forwarder", "deploy", "config.example.yaml", "go.mod", "go.sum",
		"README.md", "LICENSE", "CHANGELOG.md"}
	// The folder may belong to another user, in a container for instance.
	for path := range strings.SplitSeq(string(run(t, "git", "-c", "safe.directory=*", "ls-files", "-z")), "\x00") {
		name, _, _ := strings.Cut(path, "/")
		if name != "" && !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) {
			t.Errorf("%s stands at the top: only %v and names with a dot may", path, allowed)
		}
	}
}
