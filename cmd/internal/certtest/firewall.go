package certtest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Firewall passes connections on to a server and cuts those with a ClientHello
// that does not fit into one segment. It returns its own address.
func Firewall(tb testing.TB, server string) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { pass(conn, server) })
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
	return listener.Addr().String()
}

// pass is one connection of Firewall.
func pass(near net.Conn, server string) {
	defer near.Close()
	far, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer far.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far)
		near.Close()
	})
	defer back.Wait()
	defer far.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := near.Read(buf)
		if err != nil || tooLong(buf[:n]) {
			return
		}
		if _, err := far.Write(buf[:n]); err != nil {
			return
		}
	}
}

// tooLong reports whether a record with a ClientHello begins here (RFC 8446
// sections 4 and 5.1) and is longer than a segment.
func tooLong(b []byte) bool {
	const segment = 1400
	return len(b) > 5 && b[0] == 22 && b[5] == 1 && int(b[3])<<8+int(b[4]) > segment
}
