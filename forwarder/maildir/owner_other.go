//go:build !unix

package maildir

// Give does nothing: files inherit their owner and their permissions.
func (diskFile) Give(string) error { return nil }

// giveFolder does nothing, for the same reason.
func giveFolder(string, func(uid, gid int) error) error { return nil }
