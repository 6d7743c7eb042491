// Package forwarder holds what is said between the fetcher and whatever takes
// its messages: the Message that is handed over and the Outcome that comes
// back for each of its recipients.
//
// An Outcome is evidence, not a judgement: where the transaction ended and
// what the server said. What that means for the message is decided in one
// place, fetcher/settle.go. forwarder/smtp delivers over SMTP and LMTP;
// forwarder/maildir puts aside what was refused, and Wrap makes a message of it
// that can be delivered all the same.
package forwarder
