// Package schedule decides which account is polled when. It is the only
// importer of the cron library.
//
// Two halves meet in a queue. On one side one goroutine keeps the time: it
// queues the jobs that are due, unless they are queued or running. (The runner
// of the cron library starts a goroutine for each; where a machine has slept,
// that is all of them at once. Only its expressions are used.) On the other side a fixed number of workers take the job that has waited longest
// and whose host has room; so a slow host holds up its own accounts only, and
// ten thousand accounts need no more goroutines than there are workers.
//
// The package knows nothing of polls and accounts but names and hosts.
package schedule
