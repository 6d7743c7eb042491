package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/popferry/popferry"

// top is the top of the repository, seen from here.
const top = "../../.."

// pkg is what `go list` says about a package of this module.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	Deps         []string // also indirect ones, without those of the tests
	TestImports  []string
	XTestImports []string
}

// name is the package's path within the module.
func (p pkg) name() string { return relative(p.ImportPath) }

// tests are the packages that the package's tests import.
func (p pkg) tests() []string { return slices.Concat(p.TestImports, p.XTestImports) }

// packages lists this module's packages.
func packages(t *testing.T) []pkg {
	t.Helper()
	openFolders(t)
	// Not -deps: the Deps of each package are in its own entry.
	stream := json.NewDecoder(bytes.NewReader(run(t, "go", "list", "-json", module+"/...")))
	var all []pkg
	for {
		var p pkg
		err := stream.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list knows only %d packages; the rules would hold of nothing", len(all))
	}
	return all
}

// openFolders opens all folders of the repository: `go test` repeats its last
// answer unless what the test itself has opened is changed, and does not see
// what go list opens.
func openFolders(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == ".git" {
			return filepath.SkipDir
		}
		return nil // what vanishes meanwhile is no harm
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run returns a command's output, run at the top of the repository.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = top
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = errors.New(string(failed.Stderr))
		}
		t.Fatalf("%s: %v", cmd, err)
	}
	return out
}

// relative is an import path within the module, and others as they are.
func relative(path string) string { return strings.TrimPrefix(path, module+"/") }

// within tells whether path is root or below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
