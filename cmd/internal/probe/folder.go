package probe

import (
	"context"
	"errors"

	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
)

// Storage is a destination on this machine to be tried.
type Storage struct {
	Name    string // in errors
	Options maildir.Options
	Folders []string
}

// Folders tries each folder of a destination, as a step: it is there, is a Maildir
// and can be written to. Then it stores a message, if one is given. A missing folder
// is made if the options say so. The error is that of the last step that failed.
func Folders(ctx context.Context, s Storage, m *forwarder.Message, report func(Step)) (failed error) {
	d := maildir.NewDestination(s.Options)
	defer d.Close()
	rec := newRecorder(report)
	for _, folder := range s.Folders {
		err := s.fault(d.CheckFolder(ctx, folder))
		rec.record(Step{Name: StepFolder, Note: folderName(folder), Err: err})
		if err != nil {
			failed = err
		}
	}
	if failed != nil || m == nil {
		return failed
	}
	outs, err := d.Send(ctx, m)
	switch {
	case err != nil:
		return rec.failed(StepSend, err)
	case outs[0].Kind != forwarder.Accepted:
		return rec.failed(StepSend, &outcome.DestinationError{Name: s.Name, Outcome: outs[0]})
	}
	rec.ok(StepSend, outs[0].Text)
	return nil
}

// folderName names a folder to the user.
func folderName(folder string) string {
	if folder == forwarder.JunkFolder {
		return "the folder for junk"
	}
	return folder
}

// fault is an error of the disk's as a poll has it.
func (s Storage) fault(err error) error {
	if e, ok := errors.AsType[*maildir.Error](err); ok {
		return &outcome.DestinationError{Name: s.Name, Outcome: e.Outcome()}
	}
	return err
}
