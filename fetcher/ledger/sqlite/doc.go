// Package sqlite keeps the ledger in one SQLite file, which any number of
// processes on one machine may use at once.
//
// Reads go through a small pool of connections and never wait for writes. All
// writes of a process go through one goroutine: it takes every request that
// waits, runs them in one transaction, commits once and then answers them all.
// So a group costs one fsync, and a change that was answered with nil is on
// disk:
//
//	Lease.Put ----+
//	Lease.Deleted +--> writer: BEGIN, changes, COMMIT --> answers
//	Store.Claim --+
//
// A group of changes that may be lost, such as the times of polls, is committed
// without the fsync.
//
// A lease is a lock of the operating system on a file of its own, PATH.locks/ID
// beside the database. It ends with its process.
//
// The package repairs nothing and moves nothing away: a database that is
// damaged, newer or another program's is an error that says what to do.
package sqlite
