package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// probe is the system's disk, with before called in front of each step.
type probe struct {
	system
	before func(step string) error
}

func (p probe) Mkdir(path string) error {
	return p.step("mkdir", path, func() error { return p.system.Mkdir(path) })
}

func (p probe) Create(path string) (f file, err error) {
	err = p.step("create", path, func() (err error) { f, err = p.system.Create(path); return err })
	return &probedFile{f, path, p}, err
}

func (p probe) Rename(from, to string) error {
	return p.step("rename", to, func() error { return p.system.Rename(from, to) })
}

func (p probe) SyncFolder(path string) error {
	return p.step("sync", path, func() error { return p.system.SyncFolder(path) })
}

func (p probe) step(what, path string, do func() error) error {
	if err := p.before(what + " " + filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)); err != nil {
		return &os.PathError{Op: what, Path: path, Err: err}
	}
	return do()
}

type probedFile struct {
	file
	path string
	p    probe
}

// Write has a step within, when half is written.
func (f *probedFile) Write(b []byte) (int, error) {
	n, err := f.file.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	var m int
	err = f.p.step("write", f.path, func() (err error) { m, err = f.file.Write(b[n:]); return err })
	return n + m, err
}

func (f *probedFile) Sync() error {
	return f.p.step("fsync", f.path, f.file.Sync)
}

func (f *probedFile) Close() error {
	return errors.Join(f.file.Close(), f.p.step("close", f.path, func() error { return nil }))
}

// probed returns a box below a folder called box, and what it did.
func probed(dir string, before func(n int, step string) error) *Box {
	b, n := New(dir), 0
	b.disk = probe{before: func(step string) error { n++; return before(n-1, step) }}
	return b
}

// TestOrder: the octets are on disk before they have a name, and the name is
// before Store returns; each folder is before anything in it.
func TestOrder(t *testing.T) {
	t.Parallel()
	top := filepath.Join(t.TempDir(), "there", "already")
	if err := os.MkdirAll(top, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "in", "box")
	var steps []string
	store(t, probed(dir, func(_ int, step string) error { steps = append(steps, step); return nil }), "a", message)
	want := []string{
		"mkdir box/tmp", "mkdir in/box", "mkdir already/in", "sync there/already", // from the inside out
		"mkdir in/box", "sync already/in", "mkdir box/tmp", "sync in/box",
		"mkdir box/new", "sync in/box", "mkdir box/cur", "sync in/box",
		"create tmp/a", "write tmp/a", "fsync tmp/a", "close tmp/a", "rename new/a", "sync box/new", "sync box/tmp",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps\n%s\nwant\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
}

// TestStepFails: whichever step fails, the error says where and what to do,
// nothing is there in part, and the next try leaves one message.
func TestStepFails(t *testing.T) {
	t.Parallel()
	for n := range steps(t) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "box")
			_, err := probed(dir, func(i int, step string) error {
				if i != n {
					return nil
				}
				t.Log(step)
				return syscall.ENOSPC
			}).Store(t.Context(), "a", strings.NewReader(message))
			var failed *Error
			if !errors.As(err, &failed) || !errors.Is(err, syscall.ENOSPC) || failed.Hint() == "" || !strings.Contains(err.Error(), filepath.Dir(dir)) {
				t.Errorf("error %v", err)
			}
			if rest, _ := filepath.Glob(filepath.Join(dir, "tmp", "*")); len(rest) > 0 {
				t.Errorf("left behind: %v", rest)
			}
			wantWhole(t, dir)
			store(t, New(dir), "a", message)
			wantFiles(t, dir, "new/a", message)
		})
	}
}

// TestCrash: wherever the process is killed, no part of a message is in new/,
// and the next process leaves one message and nothing else.
func TestCrash(t *testing.T) {
	t.Parallel()
	for n := range steps(t) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "box")
			killed := filepath.Join(t.TempDir(), "box") // as the killed process leaves it
			store(t, probed(dir, func(i int, step string) error {
				if i == n {
					t.Log(step)
					return copyTree(killed, dir)
				}
				return nil
			}), "a", message)
			wantWhole(t, killed)
			store(t, New(killed), "a", message)
			wantFiles(t, killed, "new/a", message)
		})
	}
}

// TestFileForFolder: somebody's file is in the way.
func TestFileForFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "box")
	if err := os.WriteFile(dir, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(dir).Store(t.Context(), "a", strings.NewReader(message))
	if want := "creating the folder " + filepath.Join(dir, "tmp") + ": not a directory; a file is in the way"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	for _, err := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOTDIR, syscall.EIO} {
		e := &Error{Doing: "writing", Path: "box/tmp/a", Err: &os.LinkError{Op: "rename", Old: "a", New: "b", Err: err}}
		if want := "writing box/tmp/a: " + err.Error() + "; " + e.Hint(); e.Error() != want || e.Hint() == "" {
			t.Errorf("%s, want %s", e, want)
		}
	}
	e := &Error{Doing: "writing", Path: "box/tmp/a", Err: errors.New("whatever")}
	if want := "writing box/tmp/a: whatever"; e.Error() != want {
		t.Errorf("%s, want %s", e, want)
	}
}

// steps counts those of storing into a new box.
func steps(t *testing.T) (n int) {
	t.Helper()
	store(t, probed(filepath.Join(t.TempDir(), "box"), func(int, string) error { n++; return nil }), "a", message)
	return n
}

// wantWhole checks that whatever is in new/ is the message.
func wantWhole(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if octets, err := os.ReadFile(path); string(octets) != message || err != nil {
			t.Errorf("%s: %q, %v", path, octets, err)
		}
	}
}

// copyTree copies a folder that may not be there yet.
func copyTree(to, from string) error {
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return os.CopyFS(to, os.DirFS(from))
}
