package fetcher

import (
	"io"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// transaction is one message on its way, with its row before and after.
type transaction struct {
	*fetched
	before  ledger.Record
	rec     *ledger.Record
	pending []string
	env     outcome.Envelope
	sender  string
	clock   outcome.Attempt
	begun   bool
	settled chan struct{} // closed when it is in flight no more
}

// transaction prepares a message: to whom it goes, from whom, under which
// trace and date.
func (r *run) transaction(m *fetched) *transaction {
	t := &transaction{fetched: m, before: *m.row, sender: r.a.Destination.Sender, settled: make(chan struct{})}
	rec := *m.row
	t.rec = &rec
	if rec.Trace == "" {
		rec.Trace, rec.FirstAttempt = message.NewTraceID(), r.now()
	}
	if r.a.Destination.Original && m.Header.HasReturnPath {
		t.sender, t.env.OwnSender = m.Header.ReturnPath, true
	}
	rec.Attempts++
	t.clock = outcome.Attempt{Now: r.Now(), First: rec.FirstAttempt, Number: rec.Attempts}
	t.pending, rec.Recipients = outcome.Pending(r.a.Destination.Recipients, rec.Recipients)
	return t
}

// land tells that the transaction is in flight no more.
func (t *transaction) land() {
	select {
	case <-t.settled:
	default:
		close(t.settled)
	}
}

// message is what is handed over.
func (t *transaction) message(a Account) *forwarder.Message {
	head := a.origin().TraceLines(t.rec.Trace, t.rec.FirstAttempt)
	return &forwarder.Message{
		Sender:     t.sender,
		Recipients: t.pending,
		Size:       int64(len(head)) + t.Item.Size(),
		EightBit:   t.EightBit,
		UTF8:       t.Header.EightBit,
		Body:       func() io.Reader { return t.Reader(head) },
		Queued:     t.inLine,
		Settled:    t.settled,
	}
}
