package fetcher

import (
	"io"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/forwarder"
)

// transaction is one message on its way, with its row before and after.
type transaction struct {
	*fetched
	before  ledger.Record
	rec     *ledger.Record
	pending []string
	env     envelope
	sender  string
	clock   attempt
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
	t.clock = attempt{Now: r.Now(), First: rec.FirstAttempt, Number: rec.Attempts}
	t.pending, rec.Recipients = pending(r.a.Destination.Recipients, rec.Recipients)
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

// pending tells who still has to get a message: whoever the configuration
// names now, less those who have it or refused it. The rows of the others are
// kept, but for addresses that are not named any more.
func pending(named []string, rows []ledger.Recipient) (todo []string, kept []ledger.Recipient) {
	for _, r := range rows {
		if r.State == ledger.Forwarded || r.State == ledger.Held {
			kept = append(kept, r)
		}
	}
	for _, a := range named {
		if earlier(kept, a).State == 0 {
			todo = append(todo, a)
		}
	}
	return todo, kept
}

// intent is the row before the message is sent to these recipients.
func (t *transaction) intent(to []string) *ledger.Record {
	t.rec.State, t.rec.Cause = ledger.Sending, ledger.Cause{}
	// A crash must not lead to a try at once, and another crash.
	t.rec.NextAttempt = t.clock.next()
	t.rec.Recipients = slices.DeleteFunc(slices.Clone(t.rec.Recipients), func(rc ledger.Recipient) bool { return slices.Contains(to, rc.Address) })
	for _, a := range to {
		was := earlier(t.before.Recipients, a)
		t.rec.Recipients = append(t.rec.Recipients, ledger.Recipient{Address: a, State: ledger.Sending, Attempts: was.Attempts, NextAttempt: t.rec.NextAttempt})
	}
	return t.rec
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

// conclude puts a verdict into the row, and what follows from it.
func (t *transaction) conclude(describe func(error) ledger.Cause, v verdict) {
	rec := t.rec
	_, kept := pending(nil, t.before.Recipients)
	rec.Recipients = append(kept, v.Recipients...) // nobody is left if all are kept
	rec.State = ledger.Worst(rec.Recipients)
	rec.NextAttempt, rec.Cause = time.Time{}, ledger.Cause{}
	switch rec.State {
	case ledger.Forwarded:
		rec.ForwardedAt, rec.CopyFile = t.clock.Now, ""
	default:
		rec.Cause = describe(&MessageError{Outcome: v.Outcome})
	}
	if !rec.State.Due() && rec.State != ledger.Held {
		rec.Excerpt = ledger.Excerpt{MessageID: rec.Excerpt.MessageID}
	}
	for _, rc := range rec.Recipients {
		if rc.State.Due() && (rec.NextAttempt.IsZero() || rc.NextAttempt.Before(rec.NextAttempt)) {
			rec.NextAttempt = rc.NextAttempt
		}
	}
}

// MessageError is what the destination said of one message.
type MessageError struct{ Outcome forwarder.Outcome }
