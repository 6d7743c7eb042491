package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/forwarder/maildir"
)

// isPath reports whether an answer is the path of a folder, not a mail address.
func isPath(text string) bool {
	return strings.HasPrefix(text, "/") || strings.HasPrefix(text, "~/") || filepath.IsAbs(text)
}

// takesMaildir reports whether the inbox may be a folder of this machine. A page offers
// none: its user need not be one who may write to this machine's folders.
func (s *setup) takesMaildir() bool {
	return s.page == nil && s.in.To == "" && s.in.Inbox == (Server{}) && s.in.Protocol == "" && s.in.From == ""
}

// findMaildir settles the folder that is the inbox, and makes sure that mail can be
// stored there. One that is missing is made when the files are written, if the user
// says so.
func (s *setup) findMaildir(ctx context.Context, path string) (Endpoint, error) {
	for {
		folder, err := filepath.Abs(expandHome(path))
		if err != nil {
			return Endpoint{}, err
		}
		err = tryMaildir(ctx, folder, false)
		switch {
		case err == nil:
			s.OK("the Maildir %s can be written to", folder)
			return Endpoint{Maildir: folder}, nil
		case ctx.Err() != nil:
			return Endpoint{}, err
		case !s.Interactive():
			return Endpoint{}, fmt.Errorf("the Maildir cannot be used: %w%s; nothing was written", err, hintOf(err))
		case errors.Is(err, fs.ErrNotExist):
			wanted, err := s.Confirm(ctx, fmt.Sprintf("There is no Maildir in %s. Make one there, once all is set up? If its disk is not mounted, say no", folder), true)
			if err != nil || wanted {
				return Endpoint{Maildir: folder, MakeMaildir: wanted}, err
			}
		default:
			s.Failed("%v%s", err, hintOf(err))
		}
		if path, err = s.Ask(ctx, "Path of the Maildir", folder); err != nil {
			return Endpoint{}, err
		}
	}
}

// tryMaildir stores a file in a Maildir and removes it again. create: the Maildir is made
// if it is missing.
func tryMaildir(ctx context.Context, folder string, create bool) error {
	d := maildir.NewDestination(maildir.Options{Path: folder, Create: create})
	defer func() { _ = d.Close() }() // it only waits
	return d.CheckFolder(ctx, config.FolderInbox)
}

// hintOf is what to do about an error of a Maildir, behind it.
func hintOf(err error) string {
	if e, ok := errors.AsType[*maildir.Error](err); ok && e.Hint() != "" {
		return "; " + e.Hint()
	}
	return ""
}
