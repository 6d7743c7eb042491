package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// write writes the files. If that fails, no answer is lost: the user at a terminal can
// mend what was wrong, or name another folder.
func (s *setup) write(ctx context.Context, a Answers) error {
	for {
		err := s.writeTo(ctx, a)
		if err == nil || s.page != nil || !s.Interactive() || ctx.Err() != nil || errors.Is(err, terminal.ErrStopped) {
			return err
		}
		s.Failed("%v", err)
		if a.Target, err = s.chooseTarget(ctx, a.Target); err != nil {
			return err
		}
		s.target = a.Target
	}
}

// chooseTarget asks where to write after it has failed: to the same folder once more or,
// with a new configuration, to another one.
func (s *setup) chooseTarget(ctx context.Context, t Target) (Target, error) {
	if t.Existing != nil {
		again, err := s.Confirm(ctx, "Your answers are kept. Correct this, then try again?", true)
		if err == nil && !again {
			err = ErrStopped
		}
		return t, err
	}
	same := filepath.Dir(t.Config)
	for {
		folder, err := s.Ask(ctx, "Your answers are kept. Correct this and press Enter, or name another folder", same)
		if err != nil || folder == same {
			return t, err
		}
		other, err := findTarget(filepath.Join(expandHome(folder), filepath.Base(t.Config)))
		if err == nil && other.Existing != nil {
			err = fmt.Errorf("%s exists already, with its own inbox", other.Config)
		}
		if err == nil {
			err = other.checkWritable()
		}
		if err == nil {
			return other, nil
		}
		s.Failed("%v", err)
	}
}

// expandHome replaces ~ at the beginning, which no shell has seen.
func expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~")
	if home, err := os.UserHomeDir(); ok && err == nil && (rest == "" || rest[0] == '/') {
		return home + rest
	}
	return path
}

// writeTo writes the files and verifies that they are read as what they should
// say. If anything fails, it removes them again.
func (s *setup) writeTo(ctx context.Context, a Answers) error {
	files, err := Plan(a, time.Now())
	if err != nil {
		return err
	}
	if s.page != nil && a.Target.Existing != nil && a.Target.Existing.Shared != nil {
		return s.show(files, "Several popferrys may share this ledger, each with a configuration of its own, so this page changes none.")
	}
	add, incomplete := ignored(filepath.Dir(a.Target.Config), files)
	if add != nil {
		files = slices.Insert(files, 0, *add) // before there is a password
	}
	if incomplete != "" {
		s.Say("\n  ! The passwords go into a folder that git keeps. Add this line to %s: %s", incomplete, ignorePattern)
	}
	s.Say("\nFiles to write:")
	for _, f := range files {
		s.Say("  %s", f.Path)
	}
	if s.Interactive() {
		if ok, err := s.Confirm(ctx, "Write them?", true); err != nil || !ok {
			return cmp.Or(err, ErrStopped)
		}
	}
	if a.Inbox.MakeMaildir {
		if err := tryMaildir(ctx, a.Inbox.Maildir, true); err != nil {
			return fmt.Errorf("nothing was set up: %w%s", err, hintOf(err))
		}
	}
	var written []string
	for _, f := range files {
		if err = create(ctx, f); err != nil {
			break
		}
		written = append(written, f.Path)
	}
	var cfg *config.Config
	if s.page != nil && unwritable(err) {
		return errors.Join(remove(written), s.show(files, "This folder cannot be written to: "+filepath.Dir(a.Target.Config)))
	}
	if err == nil {
		cfg, err = s.verify(ctx, a)
	}
	if err == nil {
		err = s.keep(ctx, cfg, a.Mailbox.SignIn, a.Inbox.SignIn)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("nothing was set up: %w", err), remove(written))
	}
	s.ledger = cfg.State
	s.OK("written and verified")
	return nil
}

// create writes a file, and its folder.
func create(ctx context.Context, f File) error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", f.Path, err)
	}
	text := f.Text
	if text == nil {
		password, err := f.Password.Get(ctx)
		if err != nil {
			return err
		}
		text = []byte(password + "\n")
	}
	err := config.Create(f.Path, text)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; move it away if you no longer need it", err)
	}
	return err
}

// remove removes files, and the accounts' folder if it is empty then.
func remove(paths []string) error {
	var all error
	for _, path := range paths {
		all = errors.Join(all, os.Remove(path))
	}
	for _, path := range paths {
		if filepath.Base(filepath.Dir(path)) == accountsFolder {
			_ = os.Remove(filepath.Dir(path)) // fails if others are in it
		}
	}
	return all
}

// verify makes sure that what was written is a configuration that has the
// account as it was tried, and sends its mail where it should go.
func (s *setup) verify(ctx context.Context, a Answers) (*config.Config, error) {
	cfg, err := config.Load(s.target.Config, config.Env{CheckSchedule: schedule.Check, ReadOnly: s.target.Existing != nil})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(cfg.Accounts, func(c config.Account) bool { return c.Name == a.Name })
	if i < 0 {
		return nil, fmt.Errorf("the account %s is not in %s", a.Name, s.target.Config)
	}
	c, x := cfg.Accounts[i], a.Mailbox
	if c.Host != x.Server.Host || c.Port != x.Server.Port || c.TLS.Mode != x.Server.TLS.String() || c.Username != x.Username {
		return nil, fmt.Errorf("%s was read back as another account, %s at %s:%d; please report this", c.File, c.Username, c.Host, c.Port)
	}
	if s.target.Existing == nil {
		return cfg, nil
	}
	if d := s.destination; c.Forward != d.Name || !slices.Equal(c.To, d.To) { // the defaults of the configuration show only now
		return nil, fmt.Errorf("the defaults in %s send this mail to %s through %s, not to %s through %s; choose with --to and --forward",
			s.target.Config, strings.Join(c.To, ", "), c.Forward, strings.Join(d.To, ", "), d.Name)
	}
	return cfg, nil
}
