// Package migrate switches over from another program: package legacy
// reads their files, package admin marks in the ledger what they have fetched, and
// a configuration is written for the same accounts.
//
// Its functions return a report for the user, also together with an error.
package migrate
