package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// TestAcknowledges: while a message waits for its final reply, the replies to its
// envelope are acknowledged. The server may hold the final one back until then.
func TestAcknowledges(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var client *net.TCPConn
	ended := make(chan error, 1)
	o := smtp.Options{Helo: "client.example", Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		client = c.(*net.TCPConn)
		go func() { ended <- answerOnceAcknowledged(l, client) }()
		return c, nil
	}}
	p := smtp.New(o)
	for range acknowledged {
		out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
		if err != nil || out[0].Kind != forwarder.Accepted {
			t.Fatalf("got %v and %v, want it accepted; the server: %v", describe(out), err, <-ended)
		}
	}
	_ = p.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// acknowledged is how many messages answerOnceAcknowledged takes: in a longer
// dialogue the system delays acknowledgements.
const acknowledged = 10

// answerOnceAcknowledged is a server for one connection. It sends no final reply
// as long as the client would delay an acknowledgement.
func answerOnceAcknowledged(l net.Listener, client *net.TCPConn) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := play(c, "S: 220 mx\n C: EHLO client.example\n S: 250-mx\n S: 250-PIPELINING\n S: 250 CHUNKING\n"); err != nil {
		return err
	}
	for n := range acknowledged {
		form := "C: BDAT 4 LAST\n C: hi\n"
		if n == 0 {
			form = "C: DATA\n S: 354 go ahead\n C: hi\n C: .\n"
		}
		if err := play(c, "C: MAIL FROM:<a@example.org>\n S: 250 2.1.0 ok\n C: RCPT TO:<b@example.org>\n S: 250 2.1.5 ok\n"+form); err != nil {
			return err
		}
		if err := waitUntilQuick(client); err != nil {
			return fmt.Errorf("message %d: %w", n+1, err)
		}
		if err := play(c, "S: 250 2.0.0 queued\n"); err != nil {
			return err
		}
	}
	return play(c, bye)
}

// waitUntilQuick waits until a connection delays no acknowledgements.
func waitUntilQuick(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		quick := 0
		if failed := raw.Control(func(fd uintptr) {
			quick, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK)
		}); failed != nil || err != nil {
			return fmt.Errorf("%w, %w", failed, err)
		}
		if quick != 0 {
			return nil
		}
	}
	return errors.New("the client delays acknowledgements while it waits")
}
