package spool

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// fill writes n random octets in uneven pieces.
func fill(t testing.TB, it *Item, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for rest, step := b, 1; len(rest) > 0; step = step*3 + 1 {
		k := min(step, len(rest))
		if _, err := it.Write(rest[:k]); err != nil {
			t.Fatal(err)
		}
		rest = rest[k:]
	}
	if err := it.Flush(); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSpoolGivesBackOctetsAndMemory(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, memoryLimit - 1, memoryLimit, memoryLimit + 1, 3 * memoryLimit} {
		s := New(t.TempDir(), 8*memoryLimit)
		it := s.NewItem()
		want := fill(t, it, n)
		if it.Size() != int64(n) || (it.file != nil) != (n > memoryLimit) {
			t.Errorf("%d octets: size %d, in a file: %v; want %d, %v", n, it.Size(), it.file != nil, n, n > memoryLimit)
		}
		for range 2 { // it can be read again
			got, err := io.ReadAll(struct{ io.Reader }{it.Reader()}) // by Read
			var b bytes.Buffer
			_, err2 := io.Copy(&b, it.Reader()) // by WriteTo
			if !bytes.Equal(got, want) || !bytes.Equal(b.Bytes(), want) || err != nil || err2 != nil {
				t.Errorf("%d octets: %d come back by Read (%v), %d by WriteTo (%v), want the same ones", n, len(got), err, b.Len(), err2)
			}
		}
		it.Release()
		it.Release()
		if free := s.free.Load(); free != 8*memoryLimit {
			t.Errorf("%d octets: %d octets of memory are free after Release, want %d", n, free, 8*memoryLimit)
		}
	}
}

func TestSpoolKeepsWithinItsMemory(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), 4*chunkSize)
	var items []*Item
	for range 5 {
		it := s.NewItem()
		fill(t, it, 2*chunkSize)
		items = append(items, it)
	}
	if items[1].file != nil || items[2].file == nil || s.free.Load() != 0 {
		t.Errorf("in files: second item %v, third item %v, %d octets of memory free; want false, true, 0", items[1].file != nil, items[2].file != nil, s.free.Load())
	}
	for _, it := range items {
		it.Release()
	}
}

func TestSpoolFilesHaveNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	it := New(dir, 0).NewItem()
	defer it.Release()
	fill(t, it, 10)
	names, err := os.ReadDir(dir)
	if err != nil || len(names) > 0 {
		t.Errorf("the folder lists %v, %v; want no names", names, err)
	}
}

func TestSpoolWithoutAFolderReturnsError(t *testing.T) {
	t.Parallel()
	it := New(filepath.Join(t.TempDir(), "missing"), 0).NewItem()
	_, err := it.Write([]byte("x"))
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v; want an *Error that wraps %v", err, os.ErrNotExist)
	}
}

// What is written last may be in a buffer: that the disk does not take it shows when
// the item is flushed.
func TestFlushReturnsTheErrorOfTheDisk(t *testing.T) {
	t.Parallel()
	it := New(t.TempDir(), 0).NewItem()
	defer it.Release()
	if _, err := it.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = it.file.Close() // a disk that fails
	var disk *Error
	if err := it.Flush(); !errors.As(err, &disk) {
		t.Errorf("%v; want an *Error", err)
	}
}

// Room is asked before a message is: what fits into memory needs no disk, and what no
// disk has room for is refused.
func TestRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		dir    string
		octets int64
		fits   bool
	}{
		"into memory":                  {filepath.Join(dir, "none"), 100 << 10, true},
		"more than is left of memory":  {filepath.Join(dir, "none"), 300 << 10, false},
		"too large for memory, a disk": {dir, 2 << 20, true},
		"larger than any disk":         {dir, 1 << 60, runtime.GOOS == "windows"},
		"not listed":                   {filepath.Join(dir, "none"), -1, true},
	} {
		err := New(c.dir, 256<<10).Room(c.octets)
		var disk *Error
		if (err == nil) != c.fits || err != nil && !errors.As(err, &disk) {
			t.Errorf("%s: got %v, want room %v", name, err, c.fits)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%d files are left, want none (%v)", len(left), err)
	}
}
