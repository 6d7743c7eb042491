package realserver

import (
	"context"
	"testing"
	"time"
)

func TestEximDelivers(t *testing.T) {
	t.Parallel()
	e := StartExim(t)
	e.AddUser("leo")
	deliverOne(t, e.SMTP())
	wantOneStored(t, e)
}

func TestOpenSMTPDDelivers(t *testing.T) {
	t.Parallel()
	o := StartOpenSMTPD(t, "leo")
	deliverOne(t, o.SMTP())
	wantOneStored(t, o)
}

// deliverOne sends a message to leo by SMTP.
func deliverOne(t *testing.T, addr string) {
	t.Helper()
	c := talk(t, addr)
	c.expect("220")
	c.ask("250", "EHLO test")
	c.ask("250", "MAIL FROM:<>")
	c.ask("250", "RCPT TO:<leo@popferry.test>")
	c.ask("354", "DATA")
	c.send(hostile()[0])
	c.expect("250")
	c.ask("221", "QUIT")
}

// mailServer is a server with mailboxes behind a queue.
type mailServer interface {
	WaitIdle(context.Context) error
	maildir(user string) maildir
}

func wantOneStored(t *testing.T, s mailServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, s.WaitIdle(ctx))
	if n := len(s.maildir("leo").files()); n != 1 {
		t.Errorf("%d messages in the mailbox, want 1", n)
	}
}
