package watch_test

import (
	"os"
	"path/filepath"
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

// TestChanged: every way in which a configuration changes is seen once, after
// a look at which nothing more has changed.
func TestChanged(t *testing.T) {
	t.Parallel()
	old := time.Unix(1, 0) // as the files of some images have it
	for name, change := range map[string]func(t *testing.T, dir string){
		"written over": func(t *testing.T, dir string) { write(t, dir+"/a.yaml", "other") },
		"another file in its place, same size and time": func(t *testing.T, dir string) {
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
		"missing one appears":      func(t *testing.T, dir string) { write(t, dir+"/missing", "") },
		"one more for the pattern": func(t *testing.T, dir string) { write(t, dir+"/more.d/2.yaml", "") },
		"ConfigMap's swap":         func(t *testing.T, dir string) { link(t, "..v2", dir+"/..data") },
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
				t.Error("nothing has changed yet")
			}
			change(t, dir)
			if w.Changed() {
				t.Error("told while it may still be changing")
			}
			if !w.Changed() {
				t.Error("not told")
			}
			if changedTwice(w) {
				t.Error("told twice")
			}
		})
	}
}

// TestStillChanging: nothing is told until two looks in a row see the same.
func TestStillChanging(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.yaml")
	write(t, path, "a")
	w := watch.New(watch.Set{Files: []string{path}})
	for _, text := range []string{"", "ab", "abc"} {
		write(t, path, text)
		if w.Changed() {
			t.Errorf("told at %q", text)
		}
	}
	if !w.Changed() {
		t.Error("not told")
	}
	write(t, path, "abcd")
	w.Mark()
	w.Use(watch.Set{Files: []string{path, path + "2"}})
	if changedTwice(w) {
		t.Error("told what was read already")
	}
	w.Mark()
	write(t, path, "abcde")
	w.Use(watch.Set{Files: []string{path}})
	if w.Changed(); !w.Changed() {
		t.Error("not told what has changed while it was read")
	}
}

// changedTwice looks twice, as it takes to be sure of a change.
func changedTwice(w *watch.Watcher) bool {
	first := w.Changed()
	return w.Changed() || first
}
