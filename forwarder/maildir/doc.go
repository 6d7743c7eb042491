// Package maildir keeps messages in a Maildir
// (https://cr.yp.to/proto/maildir.html): refused ones that a person wants out
// of the way, but not lost.
//
//	Store > tmp/NAME > fsync > there already? > rename to new/NAME > fsync the folders
//
// When Store returns without an error, the message is on disk and survives a
// power failure. When it does not return, for the process was killed, storing
// the message again leaves one of it. A file in new/ is whole at any time.
//
// The octets are kept exactly as they are given, with CRLF line ends if they
// have them, although most writers of Maildirs use LF: readers take both, and
// a signature or a hash over the message stays true.
//
// One process at a time may store under one name; for popferry the account's
// lease sees to that. Programs that read the Maildir may move its messages to
// cur/, or away, whenever they want.
package maildir
