// Package progress shows the progress of polls: as bars on a terminal (Bars), or
// as lines in the log (Lines).
//
// A poll only counts (fetcher.Progress). The Tracker reads the counts of polls
// that take long, computes the rate and the remaining time, and has them shown.
// So a slow terminal cannot hold up a poll.
//
// The package is the only importer of the library that draws bars.
package progress
