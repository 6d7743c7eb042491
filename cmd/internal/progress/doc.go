// Package progress shows how far polls have come: as bars on a terminal (Bars),
// elsewhere as lines of the log (Lines).
//
// A poll only counts (fetcher.Progress). The Tracker looks at the counts of those
// that take long, works out rate and time left, and has them shown; so nobody
// who looks on can hold up a poll.
//
// The package is the only importer of the library that draws bars.
package progress
