package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/forwarder/smtp"
)

// findInbox settles where mail goes, and has logged in there and seen that the
// sender and the inbox are accepted. A configuration that is there knows it.
func (s *setup) findInbox(ctx context.Context) error {
	if s.place.existing != nil {
		return s.joinInbox()
	}
	x := &s.inbox
	x.words, x.protocol, x.username = words{"mail server", "--smtp-host"}, discover.Submission, s.flags.inbox.username
	x.protocol = s.protocolAt(x, s.flags.inbox.hint())
	var err error
	if s.Interactive() {
		s.Say("")
	}
	if x.address, err = s.askAddress(ctx, "Mail address of the inbox that all shall go to", s.flags.to); err != nil {
		return err
	}
	if err := s.findServer(ctx, x, s.flags.inbox.hint()); err != nil {
		return err
	}
	if err := s.inboxPassword(ctx, x); err != nil {
		return err
	}
	return s.logIn(ctx, x, func(ctx context.Context, username string, told func(probe.Step)) error {
		return s.tryInbox(ctx, x, username, told)
	})
}

// inboxPassword settles how to log in, if at all: a password never goes to a
// server without TLS unasked.
func (s *setup) inboxPassword(ctx context.Context, x *side) (err error) {
	f := s.flags.inbox
	switch {
	case f.passwordFile != "" && s.inClear(x):
		return fmt.Errorf("%s has no TLS, so the password would go out unencrypted; if it may, say --smtp-tls none", x.server.Addr())
	case f.passwordFile != "":
		x.secret, err = readPassword(f.passwordFile)
	case s.Interactive() && !s.inClear(x):
		if p := x.provider; p != nil && p.AppPassword != nil {
			s.tellStep("Your usual password does not log in; make an app password", *p.AppPassword)
		}
		err = s.askPassword(ctx, x)
	}
	return err
}

// inClear tells whether a password would go out unencrypted, and nobody has
// said that it may. Who listens at a socket is known.
func (s *setup) inClear(x *side) bool {
	return x.server.TLS == dial.None && x.server.Port != 0 && s.flags.inbox.tls != config.TLSNone
}

// tryInbox logs in and tries the envelope that mail will have. No message is
// sent.
func (s *setup) tryInbox(ctx context.Context, x *side, username string, told func(probe.Step)) error {
	d, err := s.dialer(x)
	if err != nil {
		return err
	}
	_, err = probe.Destination(ctx, probe.Relay{
		Name:      x.server.Host,
		Dialer:    d,
		Options:   smtp.Options{LMTP: x.protocol == discover.LMTP, Username: username, Secret: x.secret.Get},
		Envelopes: []smtp.Envelope{{Sender: s.sender(username), Recipients: []string{x.address.Full}}},
	}, told)
	return err
}

// sender is the envelope sender that the configuration will lead to.
func (s *setup) sender(username string) string {
	switch {
	case s.flags.from == config.SenderNull, s.flags.from == config.SenderOriginal:
		return ""
	case s.flags.from != "":
		return s.flags.from
	case s.inbox.protocol == discover.LMTP:
		return "" // original: any
	case strings.Contains(username, "@"):
		return username
	}
	return s.inbox.address.Full
}
