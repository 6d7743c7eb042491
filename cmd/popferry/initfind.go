package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// findServer settles which server it is: the one that is named, or the most
// trusted that answers of those that are found.
func (s *setup) findServer(ctx context.Context, x *side, named discover.Hint) error {
	for {
		candidates, replies, err := s.candidates(ctx, x, named)
		if err != nil {
			return err
		}
		best, err := s.first(ctx, x, candidates, replies)
		if err == nil {
			s.take(x, best)
			return nil
		}
		if !s.Interactive() || ctx.Err() != nil || errors.Is(err, errTokens) || errors.Is(err, terminal.ErrStopped) {
			return err
		}
		s.Say("%v", err)
		if named, err = s.askServer(ctx, x); err != nil {
			return err
		}
	}
}

// candidates are the servers that come into question, the most trusted first.
func (s *setup) candidates(ctx context.Context, x *side, named discover.Hint) ([]discover.Candidate, []discover.Reply, error) {
	if named.Host != "" {
		return named.Candidates(x.protocol, x.address), nil, nil
	}
	found, err := s.lookUp(ctx, x)
	if x.protocol == discover.POP3 {
		return found.POP3, found.Replies, err
	}
	return found.Submission, found.Replies, err
}

// lookUp finds servers, by a provider that was named or by the address.
func (s *setup) lookUp(ctx context.Context, x *side) (found discover.Found, err error) {
	if x.protocol == discover.POP3 && s.flags.provider != "" {
		p, ok := provider.ByName(s.flags.provider)
		if !ok {
			return found, fmt.Errorf("--provider: %q is not known; popferry providers lists them", s.flags.provider)
		}
		found = discover.Preset(p, x.address)
	} else {
		s.Say("Looking for the %s of %s ...", x.words.server, x.address.Domain)
		found = s.finder.Find(ctx, x.address)
	}
	x.provider = found.Provider
	if p := found.Provider; p != nil && x.protocol == discover.POP3 && len(found.POP3) == 0 {
		return found, fmt.Errorf("%s has no POP3. %s", p.Title, p.Instead)
	}
	return found, nil
}

// take takes a server, and what is known of its provider.
func (s *setup) take(x *side, c discover.Candidate) {
	x.server, x.usernames = c.Server, c.Usernames
	if x.username != "" {
		x.usernames = []string{x.username}
	}
	if x.provider == nil || !slices.ContainsFunc(x.provider.POP3, func(p provider.Server) bool { return p.Host == c.Host }) {
		x.provider = nil
		if p, ok := provider.ForHost(c.Host); ok {
			x.provider = &p
		}
	}
	s.OK("%s (%s)", c.Server, c.From)
}

// first is the best candidate that answers and that a person agrees to, if it
// has to be asked.
func (s *setup) first(ctx context.Context, x *side, candidates []discover.Candidate, replies []discover.Reply) (discover.Candidate, error) {
	for {
		best, failed, ok := s.finder.First(ctx, x.protocol, candidates)
		switch {
		case !ok:
			return best, s.noServer(x, failed, replies)
		case best.TokenOnly:
			return best, fmt.Errorf("%s takes %w, which init cannot get; write the account yourself, with token_command (see README.md)", best.Addr(), errTokens)
		}
		for _, f := range failed {
			if !f.Guessed && f.Host != best.Host {
				s.Failed("%s (%s): %s", f.Server, f.From, cause.Summary(f.Err))
			}
		}
		agreed, err := s.agreeTo(ctx, x, best)
		if agreed || err != nil {
			return best, err
		}
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c discover.Candidate) bool { return c.Host == best.Host })
	}
}

// guessed tells of the guesses, a line for each way in which they failed.
func guessed(failed []discover.Attempt) string {
	var whats []string
	servers := make(map[string][]string)
	for _, f := range failed {
		what := cause.Of(f.Err).What
		if !f.Guessed {
			continue
		}
		if servers[what] == nil {
			whats = append(whats, what)
		}
		servers[what] = append(servers[what], f.Addr())
	}
	var b strings.Builder
	for _, what := range whats {
		fmt.Fprintf(&b, "\n  - guesses, %s: %s", what, strings.Join(servers[what], ", "))
	}
	return b.String()
}

// errTokens: there is nothing that a person could type.
var errTokens = errors.New("no passwords but OAuth2 access tokens")

// agreeTo asks a person about a server that only the DNS knows, where anybody
// on the way can forge answers (RFC 6186 section 6).
func (s *setup) agreeTo(ctx context.Context, x *side, c discover.Candidate) (bool, error) {
	if !c.Untrusted {
		return true, nil
	}
	doubt := fmt.Sprintf("%s was found by %s, and is not part of %s. The DNS can be forged on its way, so make sure", c.Host, c.From, x.address.Domain)
	if !s.Interactive() {
		return false, fmt.Errorf("%s; if it is the right one, say so: %s %s", doubt, x.flag, c.Host)
	}
	s.Say("%s:\nyour provider's help pages name its server.", doubt)
	return s.Confirm(ctx, "Shall "+c.Host+" get your password", false)
}

// nameless tells whether a domain has none of the hosts that were guessed, and
// nobody knows more of it: as a rule it is misspelled.
func nameless(failed []discover.Attempt) bool {
	for _, f := range failed {
		if !f.Guessed || cause.Of(f.Err).Code != "name" {
			return false
		}
	}
	return len(failed) > 0
}

// noServer says what was tried, in as many lines.
func (s *setup) noServer(x *side, failed []discover.Attempt, replies []discover.Reply) error {
	var b strings.Builder
	if s.Interactive() && nameless(failed) {
		fmt.Fprintf(&b, "There is no server anywhere below %s. Is the address spelled right?", x.address.Domain)
		return errors.New(b.String())
	}
	fmt.Fprintf(&b, "No %s answers as it should. Tried were:", x.words.server)
	for _, r := range replies {
		fmt.Fprintf(&b, "\n  - %s: %s", r.Who, r.Said)
	}
	for _, f := range failed {
		if !f.Guessed {
			fmt.Fprintf(&b, "\n  - %s: %s", f.Server, cause.Summary(f.Err))
		}
	}
	b.WriteString(guessed(failed))
	if p := x.provider; p != nil && x.protocol == discover.POP3 && len(p.POP3) == 0 {
		fmt.Fprintf(&b, "\n%s keeps the mail of %s, and has no POP3. %s", p.Title, x.address.Domain, p.Instead)
	}
	if !s.Interactive() {
		fmt.Fprintf(&b, "\nIf you know a better one, name it: %s", x.flag)
	}
	return errors.New(b.String())
}
