package statecopy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/forwarder/maildir"
)

// refused is a message in quarantine.
type refused struct {
	ledger.Quarantined
	open func(context.Context) (io.WriterTo, error)
}

// refused lists the messages in quarantine: those of a database, or those in the Maildirs
// of the old configuration that popferry has put there.
func (o *octets) refused(ctx context.Context, source ledger.Keeper) (list []refused, err error) {
	if source != nil {
		all, err := source.Quarantine(ctx)
		for _, q := range all {
			list = append(list, refused{q, func(ctx context.Context) (io.WriterTo, error) { return source.OpenQuarantine(ctx, q.Trace) }})
		}
		return list, err
	}
	seen := make(map[string]bool)
	for _, folder := range folders(o.from.Config) {
		for _, part := range []string{"new", "cur"} {
			names, err := os.ReadDir(filepath.Join(folder, part))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				r, err := inMaildir(filepath.Join(folder, part, name.Name()))
				if err != nil {
					return nil, err
				}
				if r.Trace != "" && !seen[r.Trace] {
					seen[r.Trace] = true
					list = append(list, r)
				}
			}
		}
	}
	return list, nil
}

// folders are the Maildirs of a configuration for messages in quarantine.
func folders(cfg *config.Config) (list []string) {
	for _, d := range cfg.Forward {
		if d.OnReject == config.RejectQuarantine && d.QuarantineDir != "" {
			list = append(list, d.QuarantineDir)
		}
	}
	return list
}

// headerSize is how much of a file is read for the trace, which stands at its top.
const headerSize = 64 << 10

// inMaildir is a message in a file. One that popferry has not put there has no trace.
func inMaildir(path string) (r refused, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return r, err
	}
	var top bytes.Buffer
	if _, err := io.CopyN(&top, f, headerSize); err != nil && !errors.Is(err, io.EOF) {
		return r, err
	}
	r.Stored, r.Size = info.ModTime(), info.Size()
	if traces := message.ParseHeader(top.Bytes()).Traces; len(traces) > 0 {
		id, _, _ := strings.Cut(traces[0], ";")
		r.Trace, _ = strings.CutPrefix(strings.TrimSpace(id), "id=")
	}
	r.open = func(context.Context) (io.WriterTo, error) { return os.Open(path) }
	return r, nil
}

// exportRefused writes messages in quarantine to the Maildir of the new configuration.
func (o *octets) exportRefused(ctx context.Context, list []refused) error {
	to := folders(o.to.Config)
	switch {
	case len(list) == 0:
		return nil
	case len(to) == 0:
		return fmt.Errorf("%d messages are in quarantine, and %s has no destination with a quarantine_dir to put them into: set one, or run popferry quarantine export and delete first", len(list), o.to.Config.Path)
	}
	for _, r := range list {
		octets, err := r.open(ctx)
		if err != nil {
			return err
		}
		if err := export(ctx, octets, r.Trace, to[0]); err != nil {
			return err
		}
	}
	return nil
}

func export(ctx context.Context, octets io.WriterTo, trace, folder string) error {
	r, w := io.Pipe()
	defer r.Close() // ends the writing, too
	go func() {
		_, err := octets.WriteTo(w)
		w.CloseWithError(err)
	}()
	_, err := maildir.New(folder).Store(ctx, trace, r)
	return err
}
