// Package report is what popferry prints about accounts, messages, polls and
// providers: the JSON of status, messages and run --once, which is part of the
// contract, and the tables and lines that say the same to people. It also has
// the view of the ledger that the status page and the metrics read.
//
// It reads the ledger and changes nothing.
package report
