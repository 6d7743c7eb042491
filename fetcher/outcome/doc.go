// Package outcome decides what a destination's answers mean.
//
//	forwarder.Outcome, one for each recipient
//	  > Judge (disposition.go): what one answer asks for
//	  > Evaluate (verdict.go): what all of them mean for the message
//	  > Breaker (breaker.go): what that means for the messages behind it
//
// Everything here is pure: no I/O, no clock but the times that are passed in.
// What a reply is about (too large, mailbox full, out of sync, ...) is said by
// the predicates of forwarder.Outcome; here is the only place that says what
// follows from it. The rule is to blame the narrowest thing that the evidence
// allows: the message before the recipient before the destination.
package outcome
