package check

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/smtp"
)

// imap returns the target of a destination that is an IMAP mailbox, which sets size.
func (c *checker) imap(d config.Destination, dialer *dial.Dialer, size *sizeLimit) target {
	o := app.IMAPOptions(d)
	o.LiteralTimeout = stepTimeout // a test message may arrive twice
	try := func(ctx context.Context, report func(Step)) error {
		defer size.set(0)
		c.signIn(ctx, d.Server, report)
		reportProbe := c.reporter(ctx, d.Server, probe.IMAP, report)
		limit, err := probe.Store(ctx, probe.Inbox{
			Name: d.Name, Dialer: dialer, Folders: c.folders(d),
			Open: func(l probe.Link) probe.Checker {
				o := o
				o.Dial, o.StartTLS, o.Greeted, o.Passed = l.Dial, l.StartTLS, l.Greeted, l.Passed
				return imap.New(o)
			},
		}, reportProbe)
		size.set(limit)
		if err != nil || !c.Send {
			return err
		}
		o := o
		o.Dial, o.StartTLS = dialer.Dial, dialer.Upgrade()
		pool := imap.New(o)
		defer func() { _ = pool.Close() }()
		return probe.Keep(ctx, d.Name, pool, testMail(d), reportProbe)
	}
	return target{kindDestination, d.Name, dialer.Addr(), try}
}

// testMail is a test message that can be looked for by its trace.
func testMail(d config.Destination) *forwarder.Message {
	address := app.OwnAddress(d)
	m := testLetter(d.Name, address, smtp.Envelope{Sender: address, Recipients: []string{address}}).Message
	m.Trace, m.Folder = message.NewTraceID(), d.Folder
	top := fmt.Sprintf("%s: id=%s; account=check\r\n", forwarder.TraceField, m.Trace)
	below := m.Body
	m.Size += int64(len(top))
	m.Body = func() io.Reader { return io.MultiReader(bytes.NewReader([]byte(top)), below()) }
	return m
}
