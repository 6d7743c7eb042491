// Package trust says whether what popferry is about to believe can have been
// written by somebody else: a configuration may name programs to run and files to
// read, and a ledger says what is deleted.
//
// A file is trusted if it, each folder on the way to it and each symbolic link
// there belong to the user who runs popferry, or to root, and if nobody else can
// write to the file and the folders. These are no strangers:
//
//   - whoever can write to a folder with the sticky bit, such as /tmp: they can
//     replace only what is their own there. The ledger's own folder must not be one:
//     SQLite believes files beside it by their names;
//   - a group of the same name as the user (or as root), which is how most systems
//     make one group for each user. Where the system knows no names, the same
//     number counts;
//   - in a container, any group, and everybody for folders of root's: volumes of
//     Docker and Kubernetes look like that (an emptyDir has mode 0777, fsGroup adds
//     the group), and nobody else is in there;
//   - for root, and for the ledger only, a service's account: a service that systemd
//     runs keeps its own ledger, and root looks at it.
//
// A user namespace shows the files of all users outside of it as nobody's. The
// folders above the file's own may be nobody's there.
//
// What a file says is looked at after it was opened, so it cannot be replaced in
// between. On Windows, and wherever files have no such owner, everything is trusted.
package trust
