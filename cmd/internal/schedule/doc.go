// Package schedule decides which account is polled when. It is the only
// importer of the cron library.
//
// One goroutine, the timekeeper, queues the jobs that are due, unless they are
// already queued or running. A number of workers take jobs from the queue: each
// time the one that has waited longest and whose host has a free slot. So a
// slow host holds up only its own accounts, and ten thousand accounts need no
// more goroutines than there are workers. (The runner of the cron library would
// start a goroutine for each job, all at once after a machine has slept. Only
// its expressions are used.)
//
// Neither do slow jobs hold up quick ones. While jobs wait, the referee asks runs
// that have lasted for a while to yield; those come to an end soon, and go on at
// their next turn. A job that does not yield counts as slow. Slow jobs never get
// all slots, neither in total nor of one host: if they have them, the last ones
// are cut (see turns.go).
//
// The wall clock is a guess. The timekeeper compares it with the time that has
// really passed: after a step back all jobs are planned again, and after a step
// forward, as after a sleep, those run whose time has come.
//
// Of accounts and polls the package knows only names and hosts.
package schedule
