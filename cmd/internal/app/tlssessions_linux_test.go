package app

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestPipeIsNoFileWithTLSSessions: opening a pipe waits for somebody who writes to it.
func TestPipeIsNoFileWithTLSSessions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "popferry.db.tls")
	must(t, syscall.Mkfifo(path, 0o600))
	read := make(chan error, 1)
	go func() {
		_, err := readPrivate(path)
		read <- err
	}()
	select {
	case err := <-read:
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v, want that it is no file", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a pipe holds up the start")
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		<-read
		must(t, w.Close())
	}
}
