//go:build !linux

package daemon

import (
	"net"
	"os"

	"github.com/popferry/popferry/cmd/internal/trust"
)

// peerOf returns the owner of the socket, which is whoever listens there.
func peerOf(_ *net.UnixConn, path string) (uid int, known bool, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, false, err
	}
	uid, _, known = trust.Owner(info)
	return uid, known, nil
}
