package setup

import (
	"context"
	"strings"

	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/pop3"
)

// findMailbox settles where mail is collected, and logs in there.
func (s *setup) findMailbox(ctx context.Context) (Endpoint, error) {
	x := &endpoint{
		setup: s, given: s.in.Mailbox, protocol: discover.POP3, username: s.in.Mailbox.Username,
		labels: labels{"POP3 server", "--host", "Mail address of the mailbox"},
	}
	x.try = x.tryMailbox
	if s.Interactive() && s.in.Address == "" {
		s.Say("This sets up a mailbox that popferry collects mail from. Press Ctrl-C to stop; nothing is written before the end.\n")
	}
	if err := x.askAddress(ctx, s.in.Address); err != nil {
		return Endpoint{}, err
	}
	if err := x.find(ctx, x.given.hint()); err != nil {
		return Endpoint{}, err
	}
	if err := s.checkMailbox(x.result()); err != nil { // before a password is asked for
		return Endpoint{}, err
	}
	x.showNotes(x.provider)
	if err := x.mailboxSecret(ctx); err != nil {
		return Endpoint{}, err
	}
	if err := x.logIn(ctx); err != nil {
		return Endpoint{}, err
	}
	return x.result(), nil
}

// mailboxSecret settles what the mailbox is logged in to with.
func (x *endpoint) mailboxSecret(ctx context.Context) (err error) {
	switch {
	case x.signsIn():
		return x.signIn(ctx)
	case x.given.PasswordFile != "":
		x.secret, err = readPassword(x.given.PasswordFile)
		return err
	}
	return x.askPassword(ctx)
}

// tryMailbox logs in and lists the mailbox.
func (x *endpoint) tryMailbox(ctx context.Context, username string, report func(probe.Step)) error {
	d, err := x.dialer()
	if err != nil {
		return err
	}
	return probe.Account(ctx, probe.Mailbox{
		Dialer:      d,
		Credentials: pop3.Credentials{Username: username, Secret: x.secret.Get, Token: x.login != nil},
		Judge: func(l pop3.Listing) (string, error) {
			var octets int64
			for _, e := range l.Entries {
				octets += max(0, e.Size)
			}
			x.listed = listed{len(l.Entries), octets}
			return terminal.Count(len(l.Entries), "message") + ", " + terminal.Size(octets), nil
		},
	}, report)
}

// showNotes says what the user has to do at the provider first.
func (s *setup) showNotes(p *provider.Provider) {
	if p == nil {
		return
	}
	if p.EnablePOP != nil {
		s.showStep("POP3 has to be switched on first", *p.EnablePOP)
	}
	s.showAppPassword(p)
	if p.Note != "" {
		s.Say("  ! %s", p.Note)
	}
}

// showAppPassword says which password works, if that depends.
func (s *setup) showAppPassword(p *provider.Provider) {
	switch a := p.AppPassword; {
	case a == nil:
	case a.If != "":
		s.showStep("If "+a.If+", your usual password will not work; create an app password then", *a)
	default:
		s.showStep("Your usual password will not work; create an app password", *a)
	}
}

// showStep says what to do, and where.
func (s *setup) showStep(what string, step provider.Step) {
	s.Say("  ! %s: %s", what, strings.TrimSpace(step.How+" "+step.URL))
}
