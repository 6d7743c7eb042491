package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/fetcher/pop3"
)

// findMailbox settles where mail is fetched, and has logged in there.
func (s *setup) findMailbox(ctx context.Context) error {
	x := &s.mailbox
	x.words, x.protocol, x.username = words{"POP3 server", "--host"}, discover.POP3, s.flags.mailbox.username
	if s.Interactive() && s.flags.address == "" {
		s.Say("This sets up a mailbox, from which popferry fetches mail for you. Ctrl-C stops it; until the end nothing is written.\n")
	}
	var err error
	if x.address, err = s.askAddress(ctx, "Mail address of the mailbox", s.flags.address); err != nil {
		return err
	}
	if err := s.findServer(ctx, x, s.flags.mailbox.hint()); err != nil {
		return err
	}
	s.tellNotes(x.provider)
	if s.flags.mailbox.passwordFile != "" {
		x.secret, err = readPassword(s.flags.mailbox.passwordFile)
	} else {
		err = s.askPassword(ctx, x)
	}
	if err != nil {
		return err
	}
	return s.logIn(ctx, x, func(ctx context.Context, username string, told func(probe.Step)) error {
		d, err := s.dialer(x)
		if err != nil {
			return err
		}
		return probe.Account(ctx, probe.Mailbox{
			Dialer:      d,
			Credentials: pop3.Credentials{Username: username, Secret: x.secret.Get},
			Judge:       func(l pop3.Listing) (string, error) { return listed(l), nil },
		}, told)
	})
}

// askAddress asks for an address until it is one; given is that of a flag.
func (s *setup) askAddress(ctx context.Context, question, given string) (discover.Address, error) {
	for {
		line := given
		if given == "" {
			var err error
			if line, err = s.Ask(ctx, question, ""); err != nil {
				return discover.Address{}, err
			}
		}
		a, err := discover.ParseAddress(line)
		if err == nil {
			if ok, err := s.spelledRight(ctx, a); ok || err != nil {
				return a, err
			}
			given = ""
			continue
		}
		if given != "" {
			return a, err
		}
		s.Say("  %v", err)
	}
}

// spelledRight asks about a domain that looks like a well-known one.
func (s *setup) spelledRight(ctx context.Context, a discover.Address) (bool, error) {
	_, near := provider.Near(a.Domain)
	if near == "" || !s.Interactive() {
		return true, nil
	}
	return s.Confirm(ctx, fmt.Sprintf("There is %s, too. Is %s right", near, a.Domain), false)
}

// tellNotes tells what a person has to do at the provider first.
func (s *setup) tellNotes(p *provider.Provider) {
	if p == nil {
		return
	}
	if p.EnablePOP != nil {
		s.tellStep("POP3 has to be switched on there", *p.EnablePOP)
	}
	if p.AppPassword != nil {
		s.tellStep("Your usual password does not log in; make an app password", *p.AppPassword)
	}
	if p.Note != "" {
		s.Say("  ! %s", p.Note)
	}
}

// tellStep tells what to do, and where.
func (s *setup) tellStep(what string, step provider.Step) {
	s.Say("  ! %s: %s", what, strings.TrimSpace(step.How+" "+step.URL))
}

// listed is a listing in a few words.
func listed(l pop3.Listing) string {
	var octets int64
	for _, e := range l.Entries {
		octets += max(0, e.Size)
	}
	if len(l.Entries) == 1 {
		return fmt.Sprintf("1 message, %d kB", (octets+999)/1000)
	}
	return fmt.Sprintf("%d messages, %d kB", len(l.Entries), (octets+999)/1000)
}

// dialer is how a side is reached.
func (s *setup) dialer(x *side) (*dial.Dialer, error) {
	return s.program.resources.Dialer(config.Server{
		Host: x.server.Host, Port: x.server.Port,
		TLS: config.TLS{Mode: x.server.TLS.String(), CAFile: s.caFile(x)},
	})
}

// caFile is the authority of the person's own, where there is TLS.
func (s *setup) caFile(x *side) string {
	if x.server.TLS == dial.None {
		return ""
	}
	return s.flags.caFile
}
