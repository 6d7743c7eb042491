package ack_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/popferry/popferry/forwarder/smtp/ack"
)

// TestNow: the system acknowledges later in a dialogue, and does not after Now.
func TestNow(t *testing.T) {
	t.Parallel()
	client, server := connection(t)
	const enough = 100 // exchanges; the first ones are acknowledged at once
	for n := 0; quick(t, client); n++ {
		if n == enough {
			t.Skip("this system does not delay acknowledgements")
		}
		exchange(t, server, client)
		exchange(t, client, server)
	}
	now := ack.Now(client)
	now()
	if !quick(t, client) {
		t.Error("acknowledgements are delayed after Now")
	}
}

// Where there is nothing to do, nothing happens.
func TestNowElsewhere(t *testing.T) {
	t.Parallel()
	client, _ := connection(t)
	now := ack.Now(client)
	_ = client.Close()
	now()
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	ack.Now(pipe)()
}

// connection is one over loopback.
func connection(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// exchange sends an octet.
func exchange(t *testing.T, from, to net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte{'x'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// quick reports whether acknowledgements are not delayed.
func quick(t *testing.T, c *net.TCPConn) bool {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set int
	if failed := raw.Control(func(fd uintptr) { set, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return set != 0
}
