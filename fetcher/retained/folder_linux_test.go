package retained

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/spool"
)

func TestSyncDirReportsAFolderThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syncDir(dir); err != nil {
		t.Errorf("a folder: error %v, want none", err)
	}
	if err := syncDir(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: error %v, want %v", err, fs.ErrNotExist)
	}
	if err := syncDir("/proc"); err != nil { // fsync of it is invalid
		t.Errorf("a folder that cannot be synced: error %v, want none", err)
	}
}

// A copy whose new name may not be on disk is not one: after a crash it may be
// gone. Files can be written into this folder, but it cannot be opened.
func TestCopyFailsIfItsFolderCannotBeSynced(t *testing.T) {
	t.Parallel()
	base, err := os.MkdirTemp("", "popferry-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	dir := filepath.Join(base, "copies")
	const nobody = 65534
	asRoot := os.Geteuid() == 0
	err = errors.Join(os.Chmod(base, 0o711), os.Mkdir(dir, 0o700))
	if asRoot {
		err = errors.Join(err, os.Chown(dir, nobody, nobody))
	}
	if err := errors.Join(err, os.Chmod(dir, 0o300)); err != nil {
		t.Fatal(err)
	}
	body, err := message.Store(spool.New(t.TempDir(), 1<<20).NewItem(), strings.NewReader("Subject: a\r\n\r\nb\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Release()
	result := make(chan error)
	go func() {
		if asRoot { // whom no permission stops
			runtime.LockOSThread() // for good: the thread ends with this goroutine
			if err := syscall.Setfsuid(nobody); err != nil {
				t.Error(err)
			}
		}
		_, _, err := Folder{dir, 1}.Keep(&ledger.Record{Account: 1, Known: ledger.Known{UID: "uid"}}, body)
		result <- err
	}()
	var got *fs.PathError
	if err := <-result; !errors.As(err, &got) || got.Op != "open" || got.Path != dir || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want %v at opening %s", err, fs.ErrPermission, dir)
	}
	// It may be the only one: the server need not give the message again.
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 || filepath.Ext(left[0]) != ".eml" {
		t.Errorf("in the folder are %v, %v; want the copy", left, err)
	}
}
