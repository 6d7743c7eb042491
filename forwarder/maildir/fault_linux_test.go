package maildir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/popferry/popferry/forwarder"
)

// volume mounts a small file system, where that is allowed.
func volume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("popferry", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestDiskFull: a message that has no room leaves none of it; others still go.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	b := New(dir)
	for range 2 { // the second finds the room that the first gave back
		_, err := b.Store(t.Context(), "big", io.LimitReader(zeros{}, 1<<20))
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(dir, "tmp", "big")) || !strings.Contains(err.Error(), "free some space") {
			t.Errorf("error %v", err)
		}
		wantFiles(t, dir)
	}
	store(t, b, "small", message)
	wantFiles(t, dir, "new/small", message)
}

// TestDestinationFull: a full disk is no fault of the destination's, and a smaller
// message still goes.
func TestDestinationFull(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	d := NewDestination(Options{Path: dir, Create: true})
	large := newMessage()
	large.Size, large.Body = 1<<20, func() io.Reader { return io.LimitReader(zeros{}, 1<<20) }
	if o := deliver(t, d, large); !o.NoRoom() || o.Kind != forwarder.Refused || !strings.Contains(o.Reply(), "no space left") || !strings.Contains(o.Reply(), "free some space") {
		t.Errorf("%+v, want no room", o)
	}
	wantFiles(t, dir)
	accepted(t, d, newMessage())
	wantFiles(t, dir, "new/"+nameOf1, message)
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	store(t, New(dir), "a", message)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	_, err := New(dir).Store(t.Context(), "b", strings.NewReader(message))
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "read-write") {
		t.Errorf("error %v", err)
	}
	wantFiles(t, dir, "new/a", message)
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := New(dir).Store(t.Context(), "a", strings.NewReader(message))
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "popferry's user") {
		t.Errorf("error %v", err)
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
