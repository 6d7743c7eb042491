package smtp_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func message(body string, to ...string) *forwarder.Message {
	return &forwarder.Message{
		Sender: "a@example.org", Recipients: to, Size: int64(len(body)),
		Body: func() io.Reader { return bytes.NewReader([]byte(body)) },
	}
}

func TestSmoke(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		srv, err := smtptest.Start(smtptest.Options{LMTP: lmtp, Username: "u", Password: "p"})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		p := smtp.New(smtp.Options{Dial: srv.Dial, LMTP: lmtp, Username: "u", Secret: func(context.Context) (string, error) { return "p", nil }})
		defer p.Close()
		for range 3 {
			out, err := p.Deliver(t.Context(), message("a: b\r\n\r\n.x\r\n..\r\n.\r\nhi\r\n", "b@example.org", "c@example.org"), func(context.Context) error { return nil })
			t.Log(out, err)
		}
		t.Logf("%+v %d", srv.Messages(), srv.Connections())
	}
}
