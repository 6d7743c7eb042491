package probe

import (
	"context"
	"io"

	"github.com/popferry/popferry/cmd/internal/dial"
)

// Checker is a mailbox as a destination.
type Checker interface {
	// Check logs in and makes sure that mail can be put into the folder, without
	// doing so. An error about the server has a method Outcome, as *smtp.Error.
	Check(ctx context.Context) error
}

// Folder is a folder of an IMAP mailbox, as a destination to be tried.
type Folder struct {
	Name   string // of the destination, in errors
	Dialer *dial.Dialer
	Folder string // in the report
	// Open returns the mailbox, reached by a Link. If it is an io.Closer, it is
	// closed in the end.
	Open func(Link) Checker
}

// Store tries a folder and reports each step as it is done: name, connect, tls,
// greeting, login, folder. No message is stored. The error is that of the last
// step.
func Store(ctx context.Context, f Folder, report func(Step)) error {
	r := newRecorder(func(s Step) {
		if s.Name == StepRcpt { // of other protocols
			s.Name, s.Note = StepFolder, f.Folder
		}
		report(s)
	})
	c := f.Open(r.link(f.Dialer))
	if closer, ok := c.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	if err := c.Check(ctx); err != nil {
		return r.sessionFailed(f.Name, err)
	}
	r.ok(StepFolder, f.Folder)
	return nil
}
