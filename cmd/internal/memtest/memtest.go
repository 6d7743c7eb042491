// Package memtest holds what a parser allocates against what it was given, for fuzz
// tests.
package memtest

import "runtime"

// Exceeds reports whether each of three calls of f allocates more than so many
// octets: one may have met with what else the process does.
func Exceeds(most uint64, f func()) bool {
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if after.TotalAlloc-before.TotalAlloc <= most {
			return false
		}
	}
	return true
}
