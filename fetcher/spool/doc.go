// Package spool holds messages between the two servers: small ones in memory,
// within a total for all accounts, larger ones in temporary files that have no
// name and so vanish with the process.
//
// A message is written once into an Item and read as often as it is sent. The
// spool is not durable: what must survive a crash is the ledger's and the
// retained copies' business.
package spool
