package daemon

import (
	"fmt"
	"net"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/trust"
)

// checkPeer refuses a process of another user at the control socket: the socket may
// be what that user put in its place.
func checkPeer(conn *net.UnixConn, path string, guard *trust.Guard) error {
	uid, known, err := peerOf(conn, path)
	if err != nil {
		return fmt.Errorf("who answers on %s cannot be told: %w", path, err)
	}
	if !known || guard.Peer(uid) {
		return nil
	}
	return &app.ConfigError{Err: fmt.Errorf("what answers on %s runs as another user (uid %d), so it was asked nothing; if that is your popferry, run this command as that user; else remove the socket: rm %[1]s", path, uid)}
}
