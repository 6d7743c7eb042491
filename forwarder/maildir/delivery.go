package maildir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Delivery is one message in a Destination: its place in the order. Wait and Resend
// are called one after the other; Done when they have returned, or instead of them.
type Delivery struct {
	d      *Destination
	m      *forwarder.Message
	before <-chan struct{} // closed when this message may be stored
	end    func()          // lets the next one be stored
}

// Wait stores the message and returns one outcome for each recipient, in the order
// of Message.Recipients; all are the same, for they share the folder.
//
// begin, if not nil, is called once, when the folder was found and before anything
// of the message is written: the caller writes there that the message may be
// delivered from now on. at is zero, because nobody need look for the message later:
// it is stored only once, however often it is delivered with one Message.Trace,
// unless a reader has removed it in between.
//
// The error is for faults of our own: ctx was done before the message was written,
// begin failed, Message.Body could not be read, the destination is closed. Nothing
// was delivered then.
func (d *Delivery) Wait(ctx context.Context, begin func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error) {
	defer d.end()
	if err := d.d.begin(); err != nil {
		return nil, err
	}
	defer d.d.running.Done()
	// What the disk holds up for too long goes on without us: it must not see another
	// message then, nor read on in this one.
	m := d.m
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b, err := within(d.d, false, func() (*Box, error) { return d.d.open(m.Folder) })
	if err != nil {
		return d.outcomes("", err)
	}
	if begin != nil {
		if err := begin(ctx, forwarder.Mark{}); err != nil {
			return nil, err
		}
	}
	select {
	case <-d.before:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	path, err := within(d.d, true, func() (string, error) { return b.deliver(ctx, m) })
	return d.outcomes(path, err)
}

// Resend is Wait for another form of the message, such as a refused one that was
// wrapped. It is another message to those who read it, and gets a file of its own.
func (d *Delivery) Resend(ctx context.Context, m *forwarder.Message, begin func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error) {
	d.m = m
	return d.Wait(ctx, begin)
}

// Done gives the message's place back. It may be called again.
func (d *Delivery) Done() { d.end() }

// outcomes says how a message was stored. What is not about the Maildir is an error.
func (d *Delivery) outcomes(path string, err error) ([]forwarder.Outcome, error) {
	var o forwarder.Outcome
	var e *Error
	switch {
	case err == nil:
		o = forwarder.Outcome{Kind: forwarder.Accepted, Stage: forwarder.StageDot, Code: 250, Text: "stored as " + path}
	case !errors.As(err, &e):
		return nil, err
	default:
		o = e.Outcome()
	}
	var all []forwarder.Outcome
	for _, r := range d.m.Recipients {
		o.Recipient = r
		all = append(all, o)
	}
	return all, nil
}

// Outcome puts a failure of the file system into the words of a mail server (RFC
// 3463 3.2, 3.4) where it is about the message or its folder; else the destination
// cannot be used. It has no recipient.
func (e *Error) Outcome() forwarder.Outcome {
	o := forwarder.Outcome{Kind: forwarder.Refused, Stage: forwarder.StageBody, Text: e.Error(), Err: e}
	switch {
	case e.Placed:
		return forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: e}
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		o.Code, o.Enhanced = 452, forwarder.EnhancedCode{4, 3, 1}
		o.Text = fmt.Sprintf("%v: %s %s; %s", bare(e.Err), e.Doing, e.Path, e.Hint()) // a line that is cut shows why first
	case errors.Is(e.Err, syscall.EFBIG):
		o.Code, o.Enhanced, o.Text = 552, forwarder.EnhancedCode{5, 3, 4}, "the file system takes no file of this size"
	case e.Alone:
		o.Stage, o.Code, o.Enhanced = forwarder.StageRcpt, 550, forwarder.EnhancedCode{5, 1, 1}
	default:
		return forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageFolder, Err: e}
	}
	return o
}

// deliver stores a message.
func (b *Box) deliver(ctx context.Context, m *forwarder.Message) (path string, err error) {
	if err := b.enter(ctx); err != nil {
		return "", err
	}
	defer b.leave()
	trace := m.Trace
	if trace == "" {
		trace = rand.Text() // nobody delivers it again
	}
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	name := func(key string) string { return deliveredName(key, date, m.Size) }
	return b.put(ctx, item{key: fileName(trace), name: name, date: date, octets: &sized{r: m.Body(), size: m.Size}})
}

// sized reads a message. Its end is an error if the message has not as many octets
// as it says, because its file's name has that number.
type sized struct {
	r          io.Reader
	size, read int64
}

func (s *sized) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.read += int64(n)
	if errors.Is(err, io.EOF) && s.read != s.size {
		err = fmt.Errorf("the message to store has %d octets where there should be %d", s.read, s.size)
	}
	return n, err
}

// within does what needs the disk. If that takes too long, it is left to itself:
// stores says whether the message may be stored then.
func within[T any](d *Destination, stores bool, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	limit := time.NewTimer(d.o.Patience)
	defer limit.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-limit.C:
		var none T
		return none, &Error{
			Doing: "waiting for the disk with", Path: d.o.Path, Err: os.ErrDeadlineExceeded, Placed: stores,
			Remedy: "if it is a network disk, check that its server answers",
		}
	}
}
