package ack

import (
	"net"
	"syscall"
)

// Now returns a function that acknowledges what was read from conn, and keeps the
// system from delaying the acknowledgements of what comes next. That wears off, so it
// is to be called before each read that waits. It does not block, and does nothing
// where conn is not a TCP connection or is closed. It sets TCP_QUICKACK (tcp(7)).
func Now(conn net.Conn) func() {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return func() {}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return func() {}
	}
	set := func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) }
	return func() { _ = raw.Control(set) }
}
