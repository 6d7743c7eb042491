package watch_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/watch"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestChanged: every kind of change is reported once, by the second call that sees
// it.
func TestChanged(t *testing.T) {
	t.Parallel()
	old := time.Unix(1, 0) // as the files of some images have it
	for name, change := range map[string]func(t *testing.T, dir string){
		"written over": func(t *testing.T, dir string) { write(t, dir+"/a.yaml", "other") },
		"replaced, same size and time": func(t *testing.T, dir string) {
			write(t, dir+"/new", "A")
			if err := os.Chtimes(dir+"/new", old, old); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir+"/new", dir+"/a.yaml"); err != nil {
				t.Fatal(err)
			}
		},
		"removed": func(t *testing.T, dir string) {
			if err := os.Remove(dir + "/a.yaml"); err != nil {
				t.Fatal(err)
			}
		},
		// whether it is trusted depends on it
		"others may write to it now": func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("files have no such modes")
			}
			if err := os.Chmod(dir+"/a.yaml", 0o606); err != nil {
				t.Fatal(err)
			}
		},
		"missing one appears":         func(t *testing.T, dir string) { write(t, dir+"/missing", "") },
		"one more for the pattern":    func(t *testing.T, dir string) { write(t, dir+"/more.d/2.yaml", "") },
		"link of a ConfigMap changed": func(t *testing.T, dir string) { link(t, "..v2", dir+"/..data") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range []string{"a.yaml", "..v1/m.yaml", "..v2/m.yaml", "more.d/1.yaml"} {
				write(t, filepath.Join(dir, f), "a")
				if err := os.Chtimes(filepath.Join(dir, f), old, old); err != nil {
					t.Fatal(err)
				}
			}
			link(t, "..v1", dir+"/..data")
			link(t, "..data/m.yaml", dir+"/m.yaml")
			w := watch.New(watch.Set{
				Files:    []string{dir + "/a.yaml", dir + "/m.yaml", dir + "/missing"},
				Patterns: []string{dir + "/more.d/*.yaml"},
			})
			if changedTwice(w) {
				t.Error("Changed before a change: got true, want false")
			}
			change(t, dir)
			if w.Changed() {
				t.Error("first call after the change: got true, want false")
			}
			if !w.Changed() {
				t.Error("second call that sees the change: got false, want true")
			}
			if changedTwice(w) {
				t.Error("after it was reported: got true, want false")
			}
		})
	}
}

// TestStillChanging: nothing is reported until two calls in a row see the same.
func TestStillChanging(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.yaml")
	write(t, path, "a")
	w := watch.New(watch.Set{Files: []string{path}})
	for _, text := range []string{"", "ab", "abc"} {
		write(t, path, text)
		if w.Changed() {
			t.Errorf("while it changes to %q: got true, want false", text)
		}
	}
	if !w.Changed() {
		t.Error("second call that sees the change: got false, want true")
	}
	write(t, path, "abcd")
	w.Mark()
	w.Use(watch.Set{Files: []string{path, path + "2"}})
	if changedTwice(w) {
		t.Error("a change before Mark: got true, want false")
	}
	w.Mark()
	write(t, path, "abcde")
	w.Use(watch.Set{Files: []string{path}})
	if w.Changed(); !w.Changed() {
		t.Error("a change after Mark: got false, want true")
	}
}

// changedTwice calls Changed twice, which is enough to report a change.
func changedTwice(w *watch.Watcher) bool {
	first := w.Changed()
	return w.Changed() || first
}
