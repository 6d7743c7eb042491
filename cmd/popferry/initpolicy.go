package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
)

// choosePolicy settles what becomes of mail in the mailbox, and what the
// account is called.
func (s *setup) choosePolicy(ctx context.Context) error {
	if err := s.checkMailbox(); err != nil {
		return err
	}
	if err := s.chooseName(ctx); err != nil {
		return err
	}
	if err := s.chooseLeave(ctx); err != nil {
		return err
	}
	if s.flags.firstRun != "" || !s.Interactive() {
		return nil
	}
	word, err := s.Choose(ctx, "Forward all the mail that is there already, or only what is new from now on?", config.FirstRunAll, config.FirstRunNew)
	s.flags.firstRun = word
	return err
}

// days is how leave_on_server writes a time.
var days = regexp.MustCompile(`^[1-9][0-9]*d$`)

func (s *setup) chooseLeave(ctx context.Context) error {
	for s.flags.leave == "" && s.Interactive() {
		line, err := s.Ask(ctx, "Keep mail in the mailbox when it was forwarded? (yes, no, or for so many days, as 14d)", "yes")
		if err != nil {
			return err
		}
		switch line = strings.ToLower(line); {
		case strings.HasPrefix("yes", line):
			s.flags.leave = "true"
		case strings.HasPrefix("no", line):
			s.flags.leave = "false"
		case days.MatchString(line):
			s.flags.leave = line
		default:
			s.Say("  %q is none of yes, no, 14d.", line)
		}
	}
	return nil
}

// checkMailbox looks whether the mailbox has an account already.
func (s *setup) checkMailbox() error {
	if s.place.existing == nil {
		return nil
	}
	for _, a := range s.place.existing.Accounts {
		if strings.EqualFold(a.Host, s.mailbox.server.Host) && a.Username == s.mailbox.usernames[0] {
			return &app.ConfigError{Err: fmt.Errorf("this mailbox is set up already, as account %s in %s:%d", a.Name, a.File, a.Line)}
		}
	}
	return nil
}

// chooseName settles what the account is called: as its address, unless that
// is another's name.
func (s *setup) chooseName(ctx context.Context) error {
	s.flags.name = cmp.Or(s.flags.name, s.mailbox.address.Full)
	for {
		taken := s.nameTaken()
		if taken == nil {
			return nil
		}
		if !s.Interactive() {
			return &app.ConfigError{Err: fmt.Errorf("%w; choose a name with --name", taken)}
		}
		s.Say("  %v.", taken)
		name, err := s.Ask(ctx, "What shall the account be called", "")
		if err != nil {
			return err
		}
		s.flags.name = cmp.Or(name, s.flags.name)
	}
}

// nameTaken says who has the account's name, or files of it. Different names
// may have one file: not all letters can stand there.
func (s *setup) nameTaken() error {
	if s.place.existing != nil {
		for _, a := range s.place.existing.Accounts {
			if a.Name == s.flags.name {
				return fmt.Errorf("another account is called %s, in %s:%d", a.Name, a.File, a.Line)
			}
		}
	}
	for _, ending := range []string{passwordEnding, accountEnding} {
		path := s.place.file(s.flags.name, ending)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("the file of an account called %s is there already: %s", s.flags.name, path)
		}
	}
	return nil
}

// joinInbox takes the destination from the configuration that is there.
func (s *setup) joinInbox() error {
	for _, d := range s.place.existing.Forward {
		if s.flags.forward == "" || d.Name == s.flags.forward {
			if s.flags.to != "" {
				d.To = []string{s.flags.to}
			}
			if len(d.To) == 0 {
				return errors.New("the destination has no inbox of its own: name one with --to")
			}
			s.joined = d
			s.Say("Its mail will go to %s by %s, as %s says.", strings.Join(d.To, ", "), d.Name, s.place.main)
			return nil
		}
	}
	return &app.UsageError{Err: fmt.Errorf("--forward: there is no destination %q in %s", s.flags.forward, s.place.main)}
}
