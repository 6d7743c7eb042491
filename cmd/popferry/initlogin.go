package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// trial tries a side with one user name, "" for none.
type trial func(ctx context.Context, username string, told func(probe.Step)) error

// logIn tries a side until it is well or the person gives up.
func (s *setup) logIn(ctx context.Context, x *side, try trial) error {
	for {
		err := s.tryNames(ctx, x, try)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !s.Interactive() {
			why := cause.Of(err).What
			if errors.Is(err, probe.ErrRefused) {
				why = err.Error()
			}
			return fmt.Errorf("the %s %s cannot be used: %s; nothing was written", x.words.server, x.server.Addr(), why)
		}
		if err := s.change(ctx, x); err != nil {
			return err
		}
	}
}

// tryNames tries the forms of a user name. The second one only where the first
// was refused for itself: servers lock out who tries too often.
func (s *setup) tryNames(ctx context.Context, x *side, try trial) error {
	if x.secret.IsZero() {
		err := s.tryName(ctx, x, "", try)
		if err != nil && x.server.TLS != dial.None && cause.Of(err).Code != "wants_login" {
			s.Say("    It may want a login first: try again with a password.")
		}
		return err
	}
	var err error
	for i, name := range x.usernames[:min(len(x.usernames), maxNames)] {
		if i > 0 {
			s.Say("  and as %s:", name)
		}
		if err = s.tryName(ctx, x, name, try); err == nil {
			x.usernames = []string{name}
			return nil
		}
		if !slices.Contains(wrongName, cause.Of(err).Code) {
			break
		}
	}
	return err
}

// maxNames is how many user names are tried with one password.
const maxNames = 2

// tryName tries one user name and shows each step as it is done.
func (s *setup) tryName(ctx context.Context, x *side, name string, try trial) error {
	return try(ctx, name, func(step probe.Step) {
		s.tellProbe(step, x, name)
	})
}

// tellProbe shows a step as check does: what worked, or what happened and what
// to do.
func (s *setup) tellProbe(step probe.Step, x *side, username string) {
	if step.Err == nil && slices.Contains(taken, step.Name) {
		return
	}
	if step.Name == probe.StepLogin {
		step.Note = "as " + username
	}
	s.steps.step(newCheckStep(step, x.remedy(username, step.Err)))
}

// taken are the steps that a server which was found has behind it: only their
// failure is news.
var taken = []string{probe.StepName, probe.StepConnect, probe.StepTLS, probe.StepGreeting}

// remedy is what to do about a failure, at a person's side of the dialogue.
func (x *side) remedy(username string, err error) string {
	if err == nil {
		return ""
	}
	c := cause.Of(err)
	names := x.usernames[:min(len(x.usernames), maxNames)]
	switch {
	case slices.Contains(wrongName, c.Code) && slices.Index(names, username) < len(names)-1:
		return "" // the next name is tried at once
	case c.Code == "wants_login" && x.secret.IsZero():
		return "Try again with a password."
	case slices.Contains(refused, c.Code):
		return cmp.Or(loginAdvice(config.Server{Host: x.server.Host, Username: firstOf(names)}, c), c.Remedy)
	}
	return c.Remedy
}

// wrongName are the causes for which another form of the user name may help.
var wrongName = []string{"credentials", "forward_auth"}

// change asks what to do other than before.
func (s *setup) change(ctx context.Context, x *side) error {
	what, err := s.Choose(ctx, "Try again with another", "password", "user name", "server", "address", "quit")
	if err != nil {
		return err
	}
	switch what {
	case "password":
		return s.askPassword(ctx, x)
	case "user name":
		name, err := s.Ask(ctx, "User name", firstOf(x.usernames))
		x.username, x.usernames = name, []string{name}
		return err
	case "address":
		return s.changeAddress(ctx, x)
	case "server":
		hint, err := s.askServer(ctx, x)
		if err != nil {
			return err
		}
		err = s.findServer(ctx, x, hint)
		if x.protocol != discover.POP3 && s.inClear(x) {
			x.secret = config.Secret{} // it was meant for another server
		}
		return err
	}
	return terminal.ErrStopped
}

// changeAddress takes another address. That of another domain has a server of
// its own, which must not get the password that was meant for the first.
func (s *setup) changeAddress(ctx context.Context, x *side) (err error) {
	question, before := "Mail address of the inbox", x.address
	if x.protocol == discover.POP3 {
		question = "Mail address of the mailbox"
	}
	if x.address, err = s.askAddress(ctx, question, ""); err != nil {
		return err
	}
	if x.address.Domain == before.Domain {
		x.usernames = renamedTo(x.usernames, before, x.address)
		return nil
	}
	x.secret = config.Secret{}
	if x.protocol != discover.POP3 {
		if err := s.findServer(ctx, x, s.flags.inbox.hint()); err != nil {
			return err
		}
		return s.inboxPassword(ctx, x)
	}
	if err := s.findServer(ctx, x, s.flags.mailbox.hint()); err != nil {
		return err
	}
	s.tellNotes(x.provider)
	return s.askPassword(ctx, x)
}

// renamedTo are user names, those that were made of an address made of another.
func renamedTo(names []string, before, now discover.Address) []string {
	var all []string
	for _, name := range names {
		switch name {
		case before.Full:
			name = now.Full
		case before.Local:
			name = now.Local
		}
		all = append(all, name)
	}
	return all
}

// askPassword asks for the password. An empty one means no login, where that
// can be.
func (s *setup) askPassword(ctx context.Context, x *side) error {
	question, without := "Password at %s (it is not shown)", false
	if x.protocol != discover.POP3 && x.provider == nil { // no provider takes mail from just anybody
		question, without = "Password at %s (it is not shown; empty: it wants no login)", true
	}
	for {
		password, err := s.Secret(ctx, fmt.Sprintf(question, x.server.Host))
		switch {
		case err != nil:
			return err
		case password != "":
			x.secret = config.NewSecret(password)
			return s.takeOffBlanks(ctx, x)
		case without:
			x.secret = config.Secret{}
			return nil
		}
	}
}

// takeOffBlanks asks about blanks around a password: they come along where one
// is copied, and cannot be seen.
func (s *setup) takeOffBlanks(ctx context.Context, x *side) error {
	password, err := x.secret.Get(ctx)
	if err != nil {
		return err
	}
	bare := strings.TrimSpace(password)
	if bare == password || bare == "" {
		return nil
	}
	off, err := s.Confirm(ctx, "The password begins or ends with a blank. Take it off", true)
	if off {
		x.secret = config.NewSecret(bare)
	}
	return err
}

// readPassword reads a file that a flag names, which may be a pipe.
func readPassword(path string) (config.Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return config.Secret{}, fmt.Errorf("reading the password: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return config.Secret{}, fmt.Errorf("there is no password in the first line of %s", path)
	}
	return config.NewSecret(line), nil
}

func firstOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
