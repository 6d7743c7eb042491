package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// choosePolicy settles what becomes of mail in the mailbox, and what the
// account is called.
func (s *setup) choosePolicy(ctx context.Context) error {
	if s.flags.name == "" {
		s.flags.name = s.mailbox.address.Full
	}
	if err := s.checkName(); err != nil {
		return err
	}
	if err := s.chooseLeave(ctx); err != nil {
		return err
	}
	if s.flags.firstRun != "" || !s.attended() {
		return nil
	}
	word, err := s.choose(ctx, "Forward all the mail that is there already, or only what is new from now on?", config.FirstRunAll, config.FirstRunNew)
	s.flags.firstRun = word
	return err
}

// days is how leave_on_server writes a time.
var days = regexp.MustCompile(`^[1-9][0-9]*d$`)

func (s *setup) chooseLeave(ctx context.Context) error {
	for s.flags.leave == "" && s.attended() {
		line, err := s.ask(ctx, "Keep mail in the mailbox when it was forwarded? (yes, no, or for so many days, as 14d)", "yes")
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
			s.say("  %q is none of yes, no, 14d.", line)
		}
	}
	return nil
}

// checkName looks whether the account is there already.
func (s *setup) checkName() error {
	if s.place.existing == nil {
		return nil
	}
	for _, a := range s.place.existing.Accounts {
		switch {
		case strings.EqualFold(a.Host, s.mailbox.server.Host) && a.Username == s.mailbox.usernames[0]:
			return &exitError{exitConfig, fmt.Errorf("this mailbox is set up already, as account %s in %s:%d", a.Name, a.File, a.Line)}
		case a.Name == s.flags.name:
			return &exitError{exitConfig, fmt.Errorf("another account is called %s, in %s:%d; choose a name with --name", a.Name, a.File, a.Line)}
		}
	}
	return nil
}

// joinInbox takes the destination from the configuration that is there.
func (s *setup) joinInbox() error {
	for _, d := range s.place.existing.Forward {
		if s.flags.forward == "" || d.Name == s.flags.forward {
			to := d.To
			if s.flags.to != "" {
				to = []string{s.flags.to}
			}
			if len(to) == 0 {
				return errors.New("the destination has no inbox of its own: name one with --to")
			}
			s.say("Its mail will go to %s by %s, as %s says.", strings.Join(to, ", "), d.Name, s.place.main)
			return nil
		}
	}
	return &exitError{exitUsage, fmt.Errorf("--forward: there is no destination %q in %s", s.flags.forward, s.place.main)}
}
