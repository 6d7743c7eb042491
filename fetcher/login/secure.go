package login

import (
	"crypto/tls"
	"net"
)

// Secure reports whether nobody can read along on a connection: it is under TLS,
// itself or one that it is built on, or it is a Unix socket.
func Secure(c net.Conn) bool {
	for {
		if over, ok := c.(interface{ ConnectionState() tls.ConnectionState }); ok {
			return over.ConnectionState().HandshakeComplete
		}
		over, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			_, local := c.(*net.UnixConn)
			return local
		}
		c = over.NetConn()
	}
}
