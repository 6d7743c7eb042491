//go:build !failpoint

package fetcher

// failpoint is where a test may have the process die. In a released program
// it is nothing.
func failpoint(string) {}
