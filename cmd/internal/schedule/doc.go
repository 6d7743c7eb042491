// Package schedule decides which account is polled when. It is the only
// importer of the cron library.
//
// Two halves meet in a queue. On one side cron's timer fires a job's plan,
// which does nothing but queue the job, unless it is queued or running. On the
// other side a fixed number of workers take the job that has waited longest
// and whose host has room; so a slow host holds up its own accounts only, and
// ten thousand accounts need no more goroutines than there are workers.
//
// The package knows nothing of polls and accounts but names and hosts.
package schedule
