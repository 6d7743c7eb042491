package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// side is one of the two servers that init sets up, and how to log in there.
type side struct {
	words
	protocol  discover.Protocol
	address   discover.Address
	provider  *provider.Provider // nil: not known
	server    discover.Server
	usernames []string // the first is the one, once it was let in; none: no login
	secret    config.Secret
}

// words are how init speaks of a side.
type words struct {
	server string // "POP3 server"
	flag   string // "--host", to name it by
}

// modeOf reads a flag for TLS; nil for an empty one.
func modeOf(word string) (*dial.Mode, error) {
	if word == "" {
		return nil, nil
	}
	m, err := dial.ParseMode(word)
	return &m, err
}

// hint is what flags say of a server.
func (f serverFlags) hint() discover.Hint {
	mode, _ := modeOf(f.tls) // checked with the flags
	return discover.Hint{Host: f.host, Port: f.port, TLS: mode}
}

// findServer settles which server it is: the one that is named, or the most
// trusted that answers of those that are found.
func (s *setup) findServer(ctx context.Context, x *side, named discover.Hint, found discover.Found) error {
	candidates := candidatesOf(x, found)
	if named.Host != "" {
		candidates, found.Replies = named.Candidates(x.protocol, x.address), nil
	}
	for {
		best, err := s.first(ctx, x, candidates, found.Replies)
		if err == nil {
			x.server, x.usernames = best.Server, best.Usernames
			s.say("  ✓ %s (%s)", best.Server, best.From)
			return nil
		}
		if !s.attended() || ctx.Err() != nil || errors.Is(err, errTokens) || errors.Is(err, errGone) {
			return err
		}
		s.say("%v", err)
		if named, err = s.askServer(ctx, x); err != nil {
			return err
		}
		candidates, found.Replies = named.Candidates(x.protocol, x.address), nil
	}
}

func candidatesOf(x *side, found discover.Found) []discover.Candidate {
	if x.protocol == discover.POP3 {
		return found.POP3
	}
	return found.Submission
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
			if !f.Guess {
				s.say("  ✗ %s (%s): %s", f.Server, f.From, cause.Of(f.Err).What)
			}
		}
		agreed, err := s.agreeTo(ctx, x, best)
		if agreed || err != nil {
			return best, err
		}
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c discover.Candidate) bool { return c.Host == best.Host })
	}
}

// errTokens: there is nothing that a person could type.
var errTokens = errors.New("no passwords but OAuth2 access tokens")

// agreeTo asks a person about a server that only the DNS knows, where anybody
// on the way can forge answers (RFC 6186 section 6).
func (s *setup) agreeTo(ctx context.Context, x *side, c discover.Candidate) (bool, error) {
	if !c.Foreign {
		return true, nil
	}
	doubt := fmt.Sprintf("%s was found by %s, and is not part of %s. The DNS can be forged on its way, so make sure", c.Host, c.From, x.address.Domain)
	if !s.attended() {
		return false, fmt.Errorf("%s; if it is the right one, say so: %s %s", doubt, x.flag, c.Host)
	}
	s.say("%s:\nyour provider's help pages name its server.", doubt)
	return s.agree(ctx, "Shall "+c.Host+" get your password", false)
}

// noServer says what was tried, in as many lines.
func (s *setup) noServer(x *side, failed []discover.Attempt, replies []discover.Reply) error {
	var b strings.Builder
	fmt.Fprintf(&b, "No %s answers as it should. Tried were:", x.words.server)
	for _, r := range replies {
		fmt.Fprintf(&b, "\n  - %s: %s", r.Who, r.Said)
	}
	for _, f := range failed {
		fmt.Fprintf(&b, "\n  - %s: %s", f.Server, cause.Of(f.Err).What)
		if !f.Guess {
			fmt.Fprintf(&b, ": %v", f.Err)
		}
	}
	if x.provider != nil && x.protocol == discover.POP3 && x.provider.Instead != "" {
		fmt.Fprintf(&b, "\n%s has no POP3. %s", x.provider.Title, x.provider.Instead)
	}
	if !s.attended() {
		fmt.Fprintf(&b, "\nName it: %s", x.flag)
	}
	return errors.New(b.String())
}

// askServer asks for a server's name until it is one.
func (s *setup) askServer(ctx context.Context, x *side) (discover.Hint, error) {
	for {
		line, err := s.ask(ctx, strings.ToUpper(x.words.server[:1])+x.words.server[1:]+", as your provider names it (HOST or HOST:PORT)", "")
		if err != nil {
			return discover.Hint{}, err
		}
		hint, err := parseServer(line)
		if err == nil {
			if x.protocol != discover.POP3 && hint.IsSocket() {
				x.protocol = discover.LMTP
			}
			return hint, nil
		}
		s.say("  %v", err)
	}
}

// parseServer reads HOST, HOST:PORT or unix:/path.
func parseServer(line string) (discover.Hint, error) {
	h := discover.Hint{Host: line}
	if line == "" || strings.ContainsAny(line, " /@") && !h.IsSocket() {
		return h, fmt.Errorf("%q is not a server; one looks like mail.example.net or mail.example.net:995", line)
	}
	host, port, err := net.SplitHostPort(line)
	if h.IsSocket() || err != nil { // without a port, or an IPv6 address
		return h, nil
	}
	if h.Port, err = strconv.Atoi(port); err != nil || h.Port < 1 || h.Port > 65535 {
		return h, fmt.Errorf("%q is no port", port)
	}
	h.Host = host
	return h, nil
}
