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
		if !s.attended() {
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
		if err != nil && x.server.TLS != dial.None {
			s.say("    It may want a login first: try again with a password.")
		}
		return err
	}
	var err error
	for i, name := range x.usernames {
		if i == maxNames {
			break
		}
		if i > 0 {
			s.say("  and as %s:", name)
		}
		if err = s.tryName(ctx, x, name, try); err == nil {
			x.usernames = []string{name}
			return nil
		}
		if code := cause.Of(err).Code; code != "credentials" && code != "forward_auth" {
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
	switch step.Name {
	case probe.StepGreeting: // servers say all sorts of things
		step.Note = ""
	case probe.StepLogin:
		step.Note = "as " + username
	}
	remedy := ""
	if step.Err != nil {
		c := cause.Of(step.Err)
		remedy = c.Remedy
		if slices.Contains(refused, c.Code) {
			remedy = cmp.Or(loginAdvice(config.Server{Host: x.server.Host, Username: username}, c), remedy)
		}
	}
	s.steps.step(newCheckStep(step, remedy))
}

// change asks what to do other than before.
func (s *setup) change(ctx context.Context, x *side) error {
	options := []string{"password", "user name", "server", "quit"}
	if x.protocol != discover.POP3 {
		options = []string{"password", "user name", "server", "address", "quit"}
	}
	what, err := s.choose(ctx, "Try again with another", options...)
	if err != nil {
		return err
	}
	switch what {
	case "password":
		return s.askPassword(ctx, x)
	case "user name":
		name, err := s.ask(ctx, "User name", firstOf(x.usernames))
		x.username, x.usernames = name, []string{name}
		return err
	case "address":
		x.address, err = s.askAddress(ctx, "Mail address of the inbox", "")
		return err
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
	return errGone
}

// askPassword asks for the password. An empty one means no login, where that
// can be.
func (s *setup) askPassword(ctx context.Context, x *side) (err error) {
	question := fmt.Sprintf("Password at %s (it is not shown)", x.server.Host)
	if x.protocol != discover.POP3 {
		question = fmt.Sprintf("Password at %s (it is not shown; empty: it wants no login)", x.server.Host)
	}
	for {
		if x.secret, err = s.secret(ctx, question); err != nil || !x.secret.IsZero() || x.protocol != discover.POP3 {
			return err
		}
	}
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
