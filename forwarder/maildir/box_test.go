package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

const message = "Subject: Hi\r\n\r\nHello\x00\xff\r\n.\r\nbare \r and \n"

func TestStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "some", "where", "[box]")
	path := store(t, New(dir), "0123abc", message)
	if want := filepath.Join(dir, "new", "0123abc"); path != want {
		t.Errorf("stored as %s, want %s", path, want)
	}
	wantFiles(t, dir, "new/0123abc", message)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "cur"): 0o700, path: 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestStoreAgain(t *testing.T) {
	t.Parallel()
	const other = message + "other"
	tests := []struct {
		name  string
		files []string // there before: path and octets
		path  string   // that is returned
		after []string
	}{
		{"in new", []string{"new/a", message}, "new/a", []string{"new/a", message}},
		{"in cur", []string{"cur/a", message}, "cur/a", []string{"cur/a", message}},
		{"in cur with flags", []string{"cur/a:2,FS", message}, "cur/a:2,FS", []string{"cur/a:2,FS", message}},
		{"others in cur", []string{"cur/ab", message, "cur/ab:2,S", message}, "new/a", []string{"cur/ab", message, "cur/ab:2,S", message, "new/a", message}},
		{"other octets in new", []string{"new/a", other}, "new/a~2", []string{"new/a", other, "new/a~2", message}},
		{"other octets in cur", []string{"cur/a:2,S", other}, "new/a~2", []string{"cur/a:2,S", other, "new/a~2", message}},
		{"beside other octets", []string{"cur/a:2,S", other, "new/a~2", message}, "new/a~2", []string{"cur/a:2,S", other, "new/a~2", message}},
		{"cut short", []string{"new/a", message[:9]}, "new/a~2", []string{"new/a", message[:9], "new/a~2", message}},
		{"rest of a crash", []string{"tmp/a", other + other}, "new/a", []string{"new/a", message}},
		{"tmp of others", []string{"tmp/b", other}, "new/a", []string{"new/a", message, "tmp/b", other}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for i := 0; i < len(tt.files); i += 2 {
				path := filepath.Join(dir, filepath.FromSlash(tt.files[i]))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(tt.files[i+1]), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if got, want := store(t, New(dir), "a", message), filepath.Join(dir, filepath.FromSlash(tt.path)); got != want {
					t.Errorf("stored as %s, want %s", got, want)
				}
				wantFiles(t, dir, tt.after...)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := New(dir)
	var wg sync.WaitGroup
	for range 8 {
		for _, name := range []string{"a", "b", "c"} {
			wg.Go(func() {
				path, err := b.Store(t.Context(), name, iotest.OneByteReader(strings.NewReader(message+name)))
				if want := filepath.Join(dir, "new", name); path != want || err != nil {
					t.Errorf("stored as %s, %v, want %s", path, err, want)
				}
			})
		}
	}
	wg.Wait()
	wantFiles(t, dir, "new/a", message+"a", "new/b", message+"b", "new/c", message+"c")
}

func TestReaderFails(t *testing.T) {
	t.Parallel()
	for _, cut := range []error{errors.New("cut"), io.ErrUnexpectedEOF} {
		dir := t.TempDir()
		_, err := New(dir).Store(t.Context(), "a", io.MultiReader(strings.NewReader(message), iotest.ErrReader(cut)))
		if err != cut {
			t.Errorf("%v, want %v", err, cut)
		}
		wantFiles(t, dir)
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	dir := t.TempDir()
	b := New(dir)
	first := readerFunc(func(p []byte) (int, error) {
		cancel(stopped)
		// Another one need not wait for this one to end.
		if _, err := b.Store(ctx, "b", strings.NewReader(message)); err != stopped {
			t.Errorf("while waiting: %v, want %v", err, stopped)
		}
		return copy(p, message), nil
	})
	if _, err := b.Store(ctx, "a", first); err != stopped {
		t.Errorf("while reading: %v, want %v", err, stopped)
	}
	wantFiles(t, dir)
	store(t, b, "a", message)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func store(t *testing.T, b *Box, name, octets string) string {
	t.Helper()
	path, err := b.Store(t.Context(), name, strings.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wantFiles compares all files below dir: paths and octets in turn.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		octets, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		got = append(got, filepath.ToSlash(rel), string(octets))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("files %q, want %q", got, want)
	}
}
