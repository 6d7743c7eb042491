//go:build !failpoint

// Package failpoint is where a test may have the process die.
package failpoint

// Hit is such a place. In a released program it is nothing.
func Hit(string) {}
