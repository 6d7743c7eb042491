// Package postgres keeps the ledger in the schema popferry of a PostgreSQL database,
// which any number of processes on any number of machines may use at once.
//
// # Connections
//
// All writes of a process go through one connection, its session. The writer, a
// goroutine, owns it: it takes every request that waits, sends them in one
// transaction, commits once and then answers them all, so that a change that was
// answered with nil is on disk. Reads go through a small pool, and see all that was
// committed. The sizes: one session, up to four readers, and one more connection for
// a moment at the start (ProveSession).
//
//	Lease.Put ----+                    session: locks, BEGIN ... COMMIT, pings
//	Lease.Release +--> writer ----------------------------------------> PostgreSQL
//	Store.Claim --+                    pool: SELECT                          ^
//	Lease.Known, Store.Messages ... -----------------------------------------+
//
// Every statement has a deadline: statement_timeout there, and a longer one here,
// after which the connection is closed. If it is lost, its session is over, and with
// it all that the process knew: the writer opens another session when it is next
// needed, or at the next ping, and nothing that was read under a lease of the old one
// is written by way of the new one.
//
// # Locks
//
// A lease is a session-level advisory lock of the session. So no write lands without
// its lease, and PostgreSQL does the fencing: a session that ends takes its open
// transaction along, and only then its locks are free. The keys are hashes of the
// ledger's id and of what is locked (Store.key). A lock is never waited for.
// PostgreSQL would give one session the same lock twice, so that the store itself
// notes what is held in its process (Store.take), also after the lock was lost, until
// its holder gives it back.
//
// The exception is Lease.Settle. The result of a transaction with a destination is a
// fact about the past, and is written without the lease if that was lost: where the
// row still is that of the attempt. A row that was settled as forwarded in that way is
// not sent again by a process that has read it before (updateMessage).
//
// # Time
//
// The session is pinged every 5 s. PostgreSQL ends it when it is silent for 30 s
// (idle_session_timeout, idle_in_transaction_session_timeout, tcp_user_timeout), and
// then others get its locks. So a lease counts only while the last answer, by the
// time of its question, is at most 20 s old, by the wall clock or by the monotonic
// one, whichever went further (Lease.Alive): no message is handed over for good after
// that. Each ping also tells the database's clock: Store.Now is the time for all that
// is written to the ledger and compared with it, the same for all processes.
//
// # What is trusted
//
// At each connection: PostgreSQL 14 or newer, fsync on, a server that takes writes,
// the same ledger as before. At the start: no pooler between that gives each
// transaction another session. What a guarantee rests on is committed with
// synchronous_commit = on, whatever the database's default is; times of polls and
// back-offs are not. If the connection is lost at the commit, it is not known whether
// the change is there: Settle finds out.
//
// The steps of the schema are additive, and the table ledger has the oldest version
// that may write: processes of two versions work side by side.
package postgres
