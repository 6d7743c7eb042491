package setup

import (
	"context"
	"fmt"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/forwarder/smtp"
)

// findInbox settles where mail goes: to a server, where it logs in and makes sure that
// the sender and the inbox are accepted, or into a folder of this machine.
func (s *setup) findInbox(ctx context.Context) (Endpoint, error) {
	if s.in.Maildir != "" {
		return s.findMaildir(ctx, s.in.Maildir)
	}
	x := &endpoint{
		setup: s, given: s.in.Inbox, protocol: discover.Submission, username: s.in.Inbox.Username,
		labels: labels{"mail server", "--smtp-host", "Mail address of the inbox that receives the mail"},
	}
	x.try = x.tryInbox
	x.protocol = x.protocolAt(x.given.hint())
	if s.Interactive() {
		s.Say("")
	}
	x.folders = s.takesMaildir()
	if err := x.askAddress(ctx, s.in.To); err != nil {
		return Endpoint{}, err
	}
	if x.folder != "" {
		return s.findMaildir(ctx, x.folder)
	}
	x.folders = false // it is a server now
	if err := x.find(ctx, x.given.hint()); err != nil {
		return Endpoint{}, err
	}
	if err := x.inboxPassword(ctx); err != nil {
		return Endpoint{}, err
	}
	if err := x.logIn(ctx); err != nil {
		return Endpoint{}, err
	}
	x.warnOfRefusal()
	return x.result(), nil
}

// inboxPassword settles how to log in, if at all.
func (x *endpoint) inboxPassword(ctx context.Context) (err error) {
	switch {
	case x.signsIn():
		return x.signIn(ctx)
	case x.given.PasswordFile != "" && x.inClear():
		return fmt.Errorf("%s has no TLS, so the password would be sent unencrypted; to allow that, add --smtp-tls none", x.server.Addr())
	case x.given.PasswordFile != "":
		x.secret, err = readPassword(x.given.PasswordFile)
	case x.Interactive() && !x.inClear():
		x.showInboxNotes()
		err = x.askPassword(ctx)
	case x.protocol == discover.IMAP && !x.Interactive():
		err = fmt.Errorf("%s needs a login: add --smtp-password-file, or choose another way with --forward-protocol", x.server.Addr())
	}
	return err
}

// tryInbox logs in and tries the envelope that mail will have. No message is
// sent.
func (x *endpoint) tryInbox(ctx context.Context, username string, report func(probe.Step)) error {
	d, err := x.dialer()
	if err != nil {
		return err
	}
	if x.protocol == discover.IMAP {
		return x.tryFolder(ctx, d, username, report)
	}
	_, err = probe.Destination(ctx, probe.Relay{
		Name:      x.server.Host,
		Dialer:    d,
		Options:   smtp.Options{LMTP: x.protocol == discover.LMTP, Username: username, Secret: x.secret.Get, Token: x.login != nil},
		Envelopes: []smtp.Envelope{{Sender: x.sender(username), Recipients: []string{x.address.Full}}},
	}, report)
	return err
}

// tryFolder logs in by IMAP and looks at the inbox. No message is stored.
func (x *endpoint) tryFolder(ctx context.Context, d *dial.Dialer, username string, report func(probe.Step)) error {
	if x.imap == nil {
		x.Say("    The login cannot be tried here; the first poll will.")
		return nil
	}
	_, err := probe.Store(ctx, probe.Inbox{
		Name: x.server.Host, Dialer: d, Folders: []string{config.FolderInbox},
		Open: func(l probe.Link) probe.Checker { return x.imap(l, username, x.secret.Get, x.login != nil) },
	}, report)
	return err
}

// sender is the envelope sender that the configuration will lead to.
func (x *endpoint) sender(username string) string {
	switch from := x.in.From; {
	case from == config.SenderNull, from == config.SenderOriginal:
		return ""
	case from != "":
		return from
	case x.protocol == discover.LMTP:
		return "" // original: any
	case strings.Contains(username, "@"):
		return username
	}
	return x.address.Full
}

// chooseDestination takes the destination from the configuration that exists.
func (s *setup) chooseDestination() error {
	for _, d := range s.target.Existing.Forward {
		if s.in.Forward != "" && d.Name != s.in.Forward {
			continue
		}
		if d.Stores() {
			return s.chooseFolder(d)
		}
		if s.in.To != "" {
			d.To = []string{s.in.To}
		}
		if len(d.To) == 0 {
			return fmt.Errorf("the destination %s has no inbox of its own: name one with --to", d.Name)
		}
		s.destination = d
		s.Say("The mail will go to %s through the destination %s of %s.", strings.Join(d.To, ", "), d.Name, s.target.Config)
		return nil
	}
	return &app.UsageError{Err: fmt.Errorf("--forward: there is no destination %q in %s", s.in.Forward, s.target.Config)}
}

// chooseFolder takes a destination that puts mail into a folder.
func (s *setup) chooseFolder(d config.Destination) error {
	if s.in.To != "" || s.in.From != "" {
		return &app.UsageError{Err: fmt.Errorf("--to and --from mean nothing at the destination %s, which puts mail into a folder", d.Name)}
	}
	s.destination = d
	s.Say("The mail will go into the folder %s of the destination %s of %s.", d.Folder, d.Name, s.target.Config)
	return nil
}
