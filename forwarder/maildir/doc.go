// Package maildir stores messages in a Maildir
// (https://cr.yp.to/proto/maildir.html).
//
// A Box keeps refused messages that the user wants out of the way, but not lost. A
// Destination delivers mail into an inbox on this machine, and into its subfolders
// as Dovecot and Courier have them (Maildir++).
//
//	tmp/NAME > fsync > there already? > rename to new/NAME > fsync the folders
//
// When a message is stored, it is on disk and survives a power failure. If the
// process is killed before that, storing the message again does not make a second
// one. A file in new/ is always whole. A message that a reader has removed in
// between is not known any more, and is stored once more.
//
// A folder whose fsync fails is an error, because the message is deleted from
// its server next. The exception is a file system that does not support it (FUSE
// and SMB return EINVAL): refusing to store there would protect nothing.
//
// The octets are stored exactly as they are given, with CRLF line ends if they
// have them, although most programs write Maildirs with LF: readers take both,
// and a signature or a hash of the message stays valid.
//
// A Box makes the folders that are missing. A Destination does so only if it is told
// to: else a disk that is not mounted is an error.
//
// What a Destination stores belongs to the owner and the group of the folder it is
// put into, if popferry runs as root, who leaves the Maildir by no link, whenever its
// owner puts one there. Else it is popferry's user's, and readable by
// the group where the folder is open to it; where neither lets the owner of the
// Maildir read it, nothing is stored.
//
// Only one process at a time may store under one name; popferry's lease on the
// account ensures that. Programs that read the Maildir may move its messages to
// cur/, or away, at any time.
package maildir
