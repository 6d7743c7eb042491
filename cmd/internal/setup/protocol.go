package setup

import (
	"context"
	"fmt"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// protocolAt is what a server speaks that the user has named. Where the input does
// not say it, a socket is for LMTP, and the servers of a provider and the usual
// ports are known.
func (x *endpoint) protocolAt(h discover.Hint) discover.Protocol {
	if x.protocol == discover.POP3 {
		return discover.POP3
	}
	switch x.in.Protocol {
	case config.ProtocolLMTP:
		return discover.LMTP
	case config.ProtocolIMAP:
		return discover.IMAP
	case config.ProtocolSMTP:
		return discover.Submission
	}
	p, _ := provider.ForHost(h.Host)
	has := func(protocol discover.Protocol) bool {
		for _, s := range serversOf(p, protocol) {
			if s.Host == h.Host {
				return true
			}
		}
		return false
	}
	switch {
	case h.IsSocket():
		return discover.LMTP
	case h.Port == 993, h.Port == 143, h.Port == 0 && has(discover.IMAP) && !has(discover.Submission):
		return discover.IMAP
	case x.protocol == discover.IMAP && h.Port == 0 && h.Host != "" && !has(discover.Submission):
		return discover.IMAP // as before
	}
	return discover.Submission
}

// serversOf are a provider's servers for a protocol.
func serversOf(p provider.Provider, protocol discover.Protocol) []provider.Server {
	switch protocol {
	case discover.POP3:
		return p.POP3
	case discover.Submission:
		return p.SMTP
	case discover.IMAP:
		return p.IMAP
	case discover.LMTP:
	}
	return nil
}

// propose settles how mail gets into an inbox at a known provider, unless the
// input says it: by IMAP, where that is known to work and SMTP is not.
func (x *endpoint) propose(ctx context.Context, p *provider.Provider) error {
	x.protocol = x.protocolAt(discover.Hint{})
	if x.in.Protocol != "" || x.in.From != "" || p == nil || !p.PrefersIMAP() {
		return nil
	}
	x.protocol = discover.IMAP
	if s := p.Submission; s.Damages() {
		x.Say("  ! The SMTP server of %s %s.", p.Title, s.Effect())
	} else {
		x.Say("  ! It is not known whether the SMTP server of %s takes mail from others; many refuse it.", p.Title)
	}
	x.Say("    %s", aboutIMAP)
	if x.Interactive() {
		how, err := x.Choose(ctx, "How should mail get into this inbox?", config.ProtocolIMAP, config.ProtocolSMTP)
		if err != nil || how == config.ProtocolSMTP {
			x.protocol = discover.Submission
			return err
		}
	}
	if p.IMAPLimits.Enable != nil {
		x.showStep("IMAP has to be switched on first", *p.IMAPLimits.Enable)
	}
	return nil
}

const aboutIMAP = "IMAP puts each message into the inbox as its sender wrote it. No spam filter and no rules of the provider look at it."

// warnOfRefusal says what is not known of a server that takes mail by SMTP: whether
// it takes mail from others. A trial without a message cannot show it.
func (x *endpoint) warnOfRefusal() {
	if x.protocol != discover.Submission {
		return
	}
	if p := x.provider; p != nil && p.Submission.Damages() {
		x.Say("  ! %s %s. popferry init --forward-protocol imap would use IMAP instead.", x.server.Host, p.Submission.Effect())
		return
	}
	x.Say("  ! Some servers take only their own users' mail. Whether this one takes mail from others shows with: popferry check --send")
}

// showInboxNotes says what the user has to do at the inbox's provider first.
func (x *endpoint) showInboxNotes() {
	p := x.provider
	if p == nil {
		return
	}
	if x.protocol == discover.IMAP && p.IMAPLimits.Note != "" {
		x.Say("  ! %s", p.IMAPLimits.Note)
	}
	x.showAppPassword(p)
}

// tokenOnlyError is about a server that takes no passwords.
func (x *endpoint) tokenOnlyError(c discover.Candidate) error {
	what := "add --oauth2 provider=...,client_id=..."
	switch x.protocol {
	case discover.IMAP, discover.Submission, discover.LMTP:
		what = "add --smtp-oauth2 provider=...,client_id=..."
	case discover.POP3:
	}
	return fmt.Errorf("%s accepts no passwords, only sign-ins by OAuth2; %s (popferry help oauth2 says where the client id comes from)", c.Addr(), what)
}
