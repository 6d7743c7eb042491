//go:build !linux

package main

import "testing"

func smallDisk(t *testing.T) string {
	t.Helper()
	t.Skip("a small file system can be mounted on Linux only")
	return ""
}
