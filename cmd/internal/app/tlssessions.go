package app

import (
	"errors"
	"io"
	"os"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/trust"
)

// maxSessionsFile is the largest file with TLS sessions that is read, in octets.
const maxSessionsFile = 16 << 20

// KeepSessions takes over the TLS sessions of the last process with this ledger, from a
// file beside it, and returns a function that writes those of this one there. They are
// secrets: the file is for the user who runs popferry alone, and one that anybody else
// can read or write does not count. Nor does one that cannot be read, for nothing depends
// on it. With a ledger that is shared, nothing is kept on this machine.
func KeepSessions(cfg *config.Config, n *dial.Network) (write func() error) {
	if cfg.Shared != nil {
		return func() error { return nil }
	}
	path := cfg.Beside(".tls")
	if octets, err := readPrivate(path); err == nil {
		n.RestoreSessions(octets)
	}
	return func() error { return replacePrivate(path, n.Sessions()) }
}

// readPrivate reads a file that only the user can have written, and only the user can
// read.
func readPrivate(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // opening a pipe waits
		return nil, errors.Join(err, os.ErrPermission)
	}
	f, err := trust.Current().Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	_, _, hasModes := trust.Owner(info) // not on Windows
	if hasModes && info.Mode().Perm()&0o077 != 0 {
		return nil, os.ErrPermission
	}
	return io.ReadAll(io.LimitReader(f, maxSessionsFile))
}

// replacePrivate writes a file that only the user can read. If it would be empty there is
// none afterwards: what servers have refused is not offered to them again.
func replacePrivate(path string, octets []byte) error {
	if len(octets) == 0 {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	next := path + ".new"
	_ = os.Remove(next) // of a process that was killed
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(octets)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next)
	}
	return err
}
