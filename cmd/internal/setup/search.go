package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// noServerError: none of the servers that were tried answers.
type noServerError struct{ text string }

func (e *noServerError) Error() string { return e.text }

// find settles the server: the one that the hint names, or else the most trusted
// one that answers of those that are found by the address.
func (x *endpoint) find(ctx context.Context, hint discover.Hint) error {
	for {
		if err := x.beginTrial(ctx); err != nil {
			return err
		}
		best, err := x.search(ctx, hint)
		if _, none := errors.AsType[*noServerError](err); none && x.mayHaveIMAP(hint) {
			best, err = x.searchIMAP(ctx, hint, err)
		}
		if err == nil {
			x.take(best)
			return nil
		}
		if _, none := errors.AsType[*noServerError](err); !none || !x.Interactive() || ctx.Err() != nil {
			return err
		}
		x.Say("%v", err)
		if hint, err = x.askServer(ctx); err != nil {
			return err
		}
	}
}

// mayHaveIMAP reports whether a server that the user has named may be one for IMAP alone,
// as that of a house is: nothing says that mail has to go there by SMTP.
func (x *endpoint) mayHaveIMAP(hint discover.Hint) bool {
	return x.protocol == discover.Submission && hint.Host != "" && x.in.Protocol == "" && x.in.From == ""
}

// searchIMAP is search by IMAP, at a server that takes no mail by SMTP, which without
// is why. If it has no IMAP either, that is the error.
func (x *endpoint) searchIMAP(ctx context.Context, hint discover.Hint, without error) (discover.Candidate, error) {
	x.protocol = discover.IMAP
	best, err := x.search(ctx, hint)
	if _, none := errors.AsType[*noServerError](err); none {
		x.protocol = discover.Submission
		return best, without
	}
	if err == nil {
		x.Say("  ! %s takes no mail by SMTP that could be tried here, and has IMAP.", hint.Host)
		x.Say("    %s", aboutIMAP)
	}
	return best, err
}

// search returns the best candidate that answers and that the user agrees to, if
// it has to be asked about.
func (x *endpoint) search(ctx context.Context, hint discover.Hint) (discover.Candidate, error) {
	candidates, replies, err := x.candidates(ctx, hint)
	if err != nil {
		return discover.Candidate{}, err
	}
	candidates = x.withoutClear(candidates)
	for {
		best, failed, ok := x.finder.First(ctx, x.protocol, candidates)
		switch {
		case !ok:
			trusted, err := x.trustCertificate(ctx, failed)
			if err != nil {
				return best, err
			}
			if trusted != nil {
				candidates = []discover.Candidate{*trusted}
				continue
			}
			return best, x.noServer(failed, replies)
		case best.TokenOnly && !x.mayLackPassword(best):
			return best, x.tokenOnlyError(best)
		}
		for _, f := range failed {
			if !f.Guessed && f.Host != best.Host {
				x.Failed("%s (%s): %s", f.Server, f.From, cause.Summary(f.Err))
			}
		}
		if agreed, err := x.confirmUntrusted(ctx, best); agreed || err != nil {
			return best, err
		}
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c discover.Candidate) bool { return c.Host == best.Host })
	}
}

// candidates returns the servers that it may be, the most trusted first, and what
// those said who were asked about them.
func (x *endpoint) candidates(ctx context.Context, hint discover.Hint) ([]discover.Candidate, []discover.Reply, error) {
	if hint.Host != "" {
		return hint.Candidates(x.protocol, x.address), nil, nil
	}
	var found discover.Found
	if name := x.in.Provider; x.protocol == discover.POP3 && name != "" {
		p, ok := provider.ByName(name)
		if !ok {
			return nil, nil, fmt.Errorf("--provider: %q is not known; popferry providers lists them", name)
		}
		found = discover.Preset(p, x.address)
	} else {
		x.Say("Looking for the %s of %s ...", x.name, x.address.Domain)
		found = x.finder.Find(ctx, x.address)
	}
	x.provider = found.Provider
	if x.protocol != discover.POP3 {
		err := x.propose(ctx, found.Provider)
		return found.Servers(x.protocol), found.Replies, err
	}
	if p := found.Provider; p != nil && len(found.POP3) == 0 {
		return nil, nil, errors.New(withoutPOP3(*p))
	}
	return found.POP3, found.Replies, nil
}

// confirmUntrusted asks about a server outside of the address's domain that only
// the DNS names: its answers can be forged (RFC 6186 section 6).
func (x *endpoint) confirmUntrusted(ctx context.Context, c discover.Candidate) (bool, error) {
	if !c.Untrusted {
		return true, nil
	}
	doubt := fmt.Sprintf("%s was found by %s but is not part of %s. DNS answers can be forged", c.Host, c.From, x.address.Domain)
	if !x.Interactive() {
		return false, fmt.Errorf("%s; if it is the right server, confirm it with %s %s", doubt, x.flag, c.Host)
	}
	x.Say("%s,\nso compare the name with the one on your provider's help pages.", doubt)
	return x.Confirm(ctx, "Send your password to "+c.Host, false)
}

// trustCertificate asks whether a server is right although nobody whom this machine
// trusts has signed its certificate, as those of home servers are. It returns the
// server with that certificate; nil: there is none, or the user does not trust it. The
// certificate of a known provider is not asked about.
func (x *endpoint) trustCertificate(ctx context.Context, failed []discover.Attempt) (*discover.Candidate, error) {
	for _, f := range failed {
		wrong, ok := errors.AsType[*dial.CertificateError](f.Err)
		if _, known := provider.ForHost(f.Host); !ok || known || f.Untrusted || f.Pin != "" || !x.Interactive() || x.page != nil {
			continue
		}
		x.Failed("%s: %s", f.Server, cause.Summary(f.Err))
		x.Say("    The fingerprint of its certificate is")
		x.Say("      %s", wrong.SHA256)
		x.Say("    If the server is your own, compare that with the certificate there. If it is a provider's, somebody may be listening in: do not trust it, and ask the provider.")
		yes, err := x.Confirm(ctx, "Trust exactly this certificate", false)
		if err != nil || !yes {
			return nil, err
		}
		trusted := f.Candidate
		trusted.Pin = wrong.SHA256
		return &trusted, nil
	}
	return nil, nil
}

// certificateHint names the flag for an authority of one's own, if that may be what is
// missing.
func (x *endpoint) certificateHint(failed []discover.Attempt) string {
	unknown := func(f discover.Attempt) bool {
		wrong, ok := errors.AsType[*dial.CertificateError](f.Err)
		return ok && wrong.Reason == dial.UnknownAuthority
	}
	if !slices.ContainsFunc(failed, unknown) || x.in.CAFile != "" && x.page == nil {
		return ""
	}
	if x.page != nil {
		hint := "\nIf the server is your own: popferry init, at a terminal, shows the fingerprint of its certificate and can trust exactly that one. This page cannot."
		if x.target.Existing == nil && x.in.CAFile == "" {
			hint += " Or stop popferry, and start it with popferry run --setup --ca-file FILE, where FILE has that certificate or its authority."
		}
		return hint
	}
	return "\nIf the server is your own: --ca-file FILE, with the authority that signed its certificate"
}

// noServer says what was tried, a line each.
func (x *endpoint) noServer(failed []discover.Attempt, replies []discover.Reply) error {
	if x.Interactive() && noSuchDomain(failed) {
		return &noServerError{fmt.Sprintf("There is no mail server below %s. Is the address spelled correctly?", x.address.Domain)}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "No %s was found that works. Tried:", x.name)
	for _, r := range replies {
		fmt.Fprintf(&b, "\n  - %s: %s", r.Who, r.Said)
	}
	var whats []string // of the guesses, a line for each way in which they failed
	guesses := make(map[string][]string)
	for _, f := range failed {
		if !f.Guessed {
			fmt.Fprintf(&b, "\n  - %s: %s", f.Server, cause.Summary(f.Err))
			continue
		}
		what := cause.Of(f.Err).What
		if guesses[what] == nil {
			whats = append(whats, what)
		}
		guesses[what] = append(guesses[what], f.Addr())
	}
	for _, what := range whats {
		fmt.Fprintf(&b, "\n  - guesses, %s: %s", what, strings.Join(guesses[what], ", "))
	}
	if p := x.provider; p != nil && x.protocol == discover.POP3 && len(p.POP3) == 0 {
		fmt.Fprintf(&b, "\n%s hosts the mail of %s. %s", p.Title, x.address.Domain, withoutPOP3(*p))
	}
	b.WriteString(x.certificateHint(failed))
	if !x.Interactive() {
		fmt.Fprintf(&b, "\nIf you know the right one, name it with %s", x.flag)
	}
	return &noServerError{b.String()}
}

// noSuchDomain reports whether none of the guessed hosts exists and nobody knows
// of others: most likely the domain is misspelled.
func noSuchDomain(failed []discover.Attempt) bool {
	for _, f := range failed {
		if !f.Guessed || cause.Of(f.Err).Code != "name" {
			return false
		}
	}
	return len(failed) > 0
}

// withoutPOP3 says that a provider has no POP3, and what to do instead.
func withoutPOP3(p provider.Provider) string {
	if strings.Contains(p.Instead, "no POP3") {
		return p.Instead
	}
	return strings.TrimSpace(p.Title + " does not offer POP3. " + p.Instead)
}
