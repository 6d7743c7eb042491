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

// leaves are what all protocols share: how secrets are sent and kept out of what
// is shown, and which characters may be. Two versions of that would drift apart. As
// they need nothing of this module, who needs them knows no more of it.
func leaves() []string { return []string{"fetcher/login", "fetcher/printable"} }

func isLeaf(dep string) bool { return slices.Contains(leaves(), relative(dep)) }

// A leaf needs nothing of this module. Nor do its tests.
func TestLeaves(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(leaves(), p.name()) {
			continue
		}
		seen++
		for _, dep := range slices.Concat(p.Deps, p.tests()) {
			if strings.HasPrefix(dep, module) && dep != p.ImportPath {
				t.Errorf("%s needs %s: it may need nothing of this module", p.name(), relative(dep))
			}
		}
	}
	if seen != len(leaves()) {
		t.Errorf("got %d leaves, want %v", seen, leaves())
	}
}

// The POP3 client, the ledger and the forwarder know nothing of each other, nor
// of the packages that use them; the leaves are all that they share. Nor do their
// tests.
func TestIslands(t *testing.T) {
	t.Parallel()
	islands := []string{"fetcher/pop3", "fetcher/ledger", "forwarder"}
	for _, p := range packages(t) {
		for _, home := range islands {
			if !within(p.name(), home) {
				continue
			}
			for _, dep := range slices.Concat(p.Deps, p.tests()) {
				if strings.HasPrefix(dep, module) && !within(relative(dep), home) && !isLeaf(dep) {
					t.Errorf("%s needs %s: a package below %[3]s may need only packages below %[3]s, and leaves", p.name(), relative(dep), home)
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
		"fetcher":           {"fetcher/mailbox", "fetcher/identify", "fetcher/doubt", "fetcher/outcome", "fetcher/message", "fetcher/multidrop", "fetcher/failpoint", "fetcher/retained", "fetcher/spool", "fetcher/pop3", "fetcher/ledger", "forwarder"},
		"fetcher/mailbox":   {"fetcher/identify", "fetcher/message", "fetcher/spool", "fetcher/pop3", "fetcher/ledger", "forwarder"},
		"fetcher/identify":  {"fetcher/pop3", "fetcher/ledger"},
		"fetcher/doubt":     {"fetcher/ledger", "forwarder"},
		"fetcher/outcome":   {"fetcher/ledger", "forwarder"},
		"fetcher/spool":     {},
		"fetcher/failpoint": {},
		"fetcher/multidrop": {"forwarder"},
		"fetcher/retained":  {"fetcher/message", "fetcher/spool", "fetcher/ledger", "forwarder"},
		"fetcher/message":   {"fetcher/spool", "fetcher/ledger", "forwarder"},
	}
	for _, p := range packages(t) {
		allowed, ok := needs[p.name()]
		if !ok {
			continue
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, module) && !slices.Contains(allowed, relative(dep)) && !isLeaf(dep) {
				t.Errorf("%s needs %s: it may need %v", p.name(), relative(dep), allowed)
			}
		}
	}
}

// These libraries can be replaced in one place.
func TestOneImporter(t *testing.T) {
	t.Parallel()
	only := map[string]string{
		"go.yaml.in/yaml/v3":        "cmd/internal/config",
		"github.com/robfig/cron/v3": "cmd/internal/schedule",
		"modernc.org/sqlite":        "fetcher/ledger/sqlite",
		"github.com/jackc/pgx/v5":   "fetcher/ledger/postgres",
		"github.com/spf13/cobra":    "cmd/popferry",
		"github.com/vbauerster/mpb": "cmd/internal/progress",
		"github.com/knadh/go-pop3":  "(tests)",
		"golang.org/x/oauth2":       "cmd/internal/oauth",
	}
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			for library, owner := range only {
				if within(path, library) && !within(p.name(), owner) {
					t.Errorf("%s imports %s: only %s may, and what is below it", p.name(), library, owner)
				}
			}
		}
	}
}

// Outside cmd, errors are returned.
func TestNothingEndsTheProgram(t *testing.T) {
	t.Parallel()
	eachFile(t, "", func(p pkg, files *token.FileSet, file *ast.File) {
		if within(p.name(), "cmd") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && endsProgram(call) {
				t.Errorf("%s ends the program: return an error", files.Position(call.Pos()))
			}
			return true
		})
	})
}

// endsProgram reports whether a call is one of panic, os.Exit, log.Fatal and
// log.Panic.
func endsProgram(call *ast.CallExpr) bool {
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

// The file list of a package is its table of contents, and has to stay one.
func TestPackagesHaveFewFiles(t *testing.T) {
	t.Parallel()
	const most = 20
	for _, p := range packages(t) {
		if within(p.name(), "cmd") && p.name() != "cmd/popferry" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = slices.DeleteFunc(files, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
		if len(files) > most {
			t.Errorf("%s has %d files without the tests, want at most %d", p.name(), len(files), most)
		}
	}
}

// A struct of the fetcher that has many fields holds things of several lifetimes.
func TestFetcherHasNoLargeStruct(t *testing.T) {
	t.Parallel()
	const most = 15
	eachFile(t, "fetcher", func(_ pkg, files *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.StructType); ok {
				if fields := s.Fields.NumFields(); fields > most {
					t.Errorf("%s: a struct with %d fields, want at most %d", files.Position(s.Pos()), fields, most)
				}
			}
			return true
		})
	})
}

// eachFile parses the files of the packages at and below a folder, without their
// tests.
func eachFile(t *testing.T, below string, visit func(pkg, *token.FileSet, *ast.File)) {
	t.Helper()
	for _, p := range packages(t) {
		if below != "" && !within(p.name(), below) {
			continue
		}
		for _, name := range p.GoFiles {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			visit(p, files, file)
		}
	}
}

// The top of the repository has these names, and files with a dot.
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
