// Package check tests the servers of a configuration and says what is wrong and
// what to do about it.
//
// Run lists the targets (destinations and accounts), has package probe try each
// step by step, adds advice to the steps that failed, and hands all steps to a
// Report: Text for people, JSON for programs. The setup of a mailbox shows its
// trials with the same steps and the same advice.
//
// No mail is moved, except for the test message that Options.Send asks for (two
// where the first is refused), and the ledger is only read.
package check
