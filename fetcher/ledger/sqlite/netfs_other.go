//go:build !linux

package sqlite

// networkFS does not detect network file systems outside Linux.
func networkFS(string) (string, error) { return "", nil }
