package probe

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
)

// Checker is a mailbox as a destination, as *imap.Pool is.
type Checker interface {
	// CheckFolder logs in and makes sure that mail can be put into the folder, without
	// doing so. An error about the server has a method Outcome, as *imap.Error.
	CheckFolder(ctx context.Context, name string) (imap.Checked, error)
}

// Inbox is an IMAP mailbox, as a destination to be tried.
type Inbox struct {
	Name    string // of the destination, in errors
	Dialer  *dial.Dialer
	Folders []string // by the names that the configuration has
	// Open returns the mailbox, reached by a Link. If it is an io.Closer, it is
	// closed in the end.
	Open func(Link) Checker
}

// Store tries a mailbox and reports each step as it is done: name, connect, tls,
// greeting, login, and folder for each folder. No message is stored. limit is the
// largest message that all of the folders take, in octets; 0: not known. The error is
// that of the last step that failed.
func Store(ctx context.Context, i Inbox, report func(Step)) (limit int64, failed error) {
	folder := ""
	r := newRecorder(func(s Step) {
		if s.Name == StepRcpt { // of other protocols
			s.Name, s.Note = StepFolder, folderName(folder)
		}
		report(s)
	})
	c := i.Open(r.link(i.Dialer))
	if closer, ok := c.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	for _, folder = range i.Folders {
		found, err := c.CheckFolder(ctx, folder)
		if err == nil {
			r.ok(StepFolder, describeFolder(folderName(folder), found))
			if l := found.Limit; l > 0 && (limit == 0 || l < limit) {
				limit = l
			}
			continue
		}
		failed = r.sessionFailed(i.Name, err)
		if o, _, ok := outcome.AnswerIn(failed); !ok || o.Stage != forwarder.StageRcpt || o.Err != nil {
			return limit, failed // the next folder would show the same
		}
	}
	return limit, failed
}

// describeFolder names a folder, and what is worth knowing of it.
func describeFolder(name string, c imap.Checked) string {
	if c.Label {
		name = "label " + name + " beside the destination's folder; it is not tried before the first message"
	}
	if c.Limit > 0 {
		name += fmt.Sprintf("; takes messages of up to %s", terminal.Size(c.Limit))
	}
	return name
}

// Keep stores a message as a step, and makes sure that the server has it then.
// destination is its name in errors.
func Keep(ctx context.Context, destination string, p *imap.Pool, m *forwarder.Message, report func(Step)) error {
	rec := newRecorder(report)
	reply, err := keep(ctx, destination, p, m)
	if err != nil {
		return rec.failed(StepSend, err)
	}
	rec.ok(StepSend, reply+"; it was looked for, and is there")
	return nil
}

// keep stores a message, looks for it by its trace and returns the server's answer.
func keep(ctx context.Context, destination string, p *imap.Pool, m *forwarder.Message) (reply string, err error) {
	d := p.Submit(m)
	defer d.Done()
	var at forwarder.Mark
	outs, err := d.Wait(ctx, func(_ context.Context, mark forwarder.Mark) error {
		at = mark
		return nil
	})
	if err != nil {
		return "", err
	}
	switch o := outs[0]; {
	case o.Kind == forwarder.Unusable, o.Kind == forwarder.Refused && o.Stage == forwarder.StageRcpt:
		return "", &outcome.DestinationError{Name: destination, Outcome: o}
	case o.Kind != forwarder.Accepted:
		return "", &outcome.MessageError{Outcome: o}
	}
	found, err := p.Find(ctx, []forwarder.Sought{{Mark: at, Trace: m.Trace}})
	if e, ok := errors.AsType[*imap.Error](err); ok {
		return "", &outcome.DestinationError{Name: destination, Outcome: e.Outcome()}
	}
	if _, there := found[m.Trace]; !there && err == nil {
		err = &NotStoredError{Reply: outs[0].Text}
	}
	return outs[0].Text, err
}

// NotStoredError: the server has accepted a message, and does not have it.
type NotStoredError struct {
	Reply string // when it accepted it
}

func (e *NotStoredError) Error() string {
	return "the server says: " + e.Reply + "; afterwards the message was not in the folder"
}
