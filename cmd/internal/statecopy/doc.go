// Package statecopy moves a ledger to another place: from a file to a database, back, or
// to another of the same kind.
//
//	all leases > Contents > retained copies and quarantine > Fill > MarkMoved
//
// Nobody polls meanwhile, and nobody uses the old ledger afterwards. If it fails before
// the end, the old ledger is as it was; what was written beside a new file does no harm.
package statecopy
