package smtp_test

import (
	"context"
	"sync"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// A server that takes two connections and turns others away gets everything
// over these two, and none of it is told that no session could be had.
func TestServerThatAllowsFewConnections(t *testing.T) {
	t.Parallel()
	srv, err := smtptest.Start(smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageHello && e.Connection > 2 {
			return smtptest.Fault{Code: 421, Text: "too many connections"}
		}
		return smtptest.Fault{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := smtp.New(smtp.Options{Dial: srv.Dial, Connections: 8})
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context) error { return nil })
			if err != nil || out[0].Kind != forwarder.Accepted {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
	calls.Wait()
	if err := p.Close(); err != nil || len(srv.Messages()) != 100 {
		t.Errorf("%v, %d messages", err, len(srv.Messages()))
	}
}

// A few messages to a fast server need one connection.
func TestSmallBacklogNeedsOneConnection(t *testing.T) {
	t.Parallel()
	srv, err := smtptest.Start(smtptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := smtp.New(smtp.Options{Dial: srv.Dial})
	for range 20 {
		if _, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil || srv.Connections() != 1 {
		t.Errorf("%v, %d connections", err, srv.Connections())
	}
}
