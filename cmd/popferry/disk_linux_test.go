package main

import (
	"os"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of 1 MB, for which one has to be root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("POPFERRY_REQUIRE_SERVERS") == "1" {
			t.Fatalf("mounting a small file system: %v", err)
		}
		t.Skipf("a small file system cannot be mounted (%v); root can", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
