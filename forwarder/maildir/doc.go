// Package maildir stores messages in a Maildir
// (https://cr.yp.to/proto/maildir.html): refused ones that the user wants out of
// the way, but not lost.
//
//	Store > tmp/NAME > fsync > there already? > rename to new/NAME > fsync the folders
//
// When Store returns without an error, the message is on disk and survives a
// power failure. If the process is killed before that, storing the message again
// does not make a second one. A file in new/ is always whole.
//
// A folder whose fsync fails is an error, because the message is deleted from
// its server next. The exception is a file system that does not support it (FUSE
// and SMB return EINVAL): refusing to store there would protect nothing.
//
// The octets are stored exactly as they are given, with CRLF line ends if they
// have them, although most programs write Maildirs with LF: readers take both,
// and a signature or a hash of the message stays valid.
//
// Only one process at a time may store under one name; popferry's lease on the
// account ensures that. Programs that read the Maildir may move its messages to
// cur/, or away, at any time.
package maildir
