// Package sqlite keeps the ledger in one SQLite file, which any number of
// processes on one machine may use at once.
//
// Reading goes through a small pool of connections and never waits for
// writing. All that a process writes goes through one goroutine: it takes
// every request that waits, runs them in one transaction, commits once, and
// then answers them all. So durability costs one fsync a group and not one a
// message, and a request that was answered with nil is on disk:
//
//	Lease.Put ----+
//	Lease.Deleted +--> writer: BEGIN, a savepoint each, COMMIT --> answers
//	Store.Claim --+
//
// A group that tells of nothing but when polls were, and how they went, is
// committed without the fsync.
//
// A lease is a lock of the operating system on a file of its own, PATH.locks/ID
// beside the database. It is gone the instant its process dies.
//
// The package repairs nothing and moves nothing out of the way: a database
// that is damaged, newer or somebody else's is an error that says what a
// person can do.
package sqlite
