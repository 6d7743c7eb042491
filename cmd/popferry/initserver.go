package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

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
	username  string   // as the person said it; "": not known
	usernames []string // to be tried; the first is the one, once it was let in
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

// splitHost takes a port off the host that a person wrote there.
func (f *serverFlags) splitHost() error {
	if f.host == "" {
		return nil
	}
	h, err := parseServer(f.host)
	f.host, f.port = h.Host, cmp.Or(f.port, h.Port)
	return err
}

// hint is what flags say of a server.
func (f serverFlags) hint() discover.Hint {
	mode, _ := modeOf(f.tls) // checked with the flags
	return discover.Hint{Host: f.host, Port: f.port, TLS: mode}
}

// askServer asks for a server's name until it is one. Who sees that the address
// was misspelled can type that instead: the empty hint is for another search.
func (s *setup) askServer(ctx context.Context, x *side) (discover.Hint, error) {
	for {
		line, err := s.Ask(ctx, strings.ToUpper(x.words.server[:1])+x.words.server[1:]+" as your provider names it, or the mail address once more", "")
		if err != nil {
			return discover.Hint{}, err
		}
		if a, err := discover.ParseAddress(line); err == nil {
			if ok, err := s.spelledRight(ctx, a); !ok || err != nil {
				if err != nil {
					return discover.Hint{}, err
				}
				continue
			}
			x.address = a
			return discover.Hint{}, nil
		}
		hint, err := parseServer(line)
		protocol := s.protocolAt(x, hint)
		switch {
		case err != nil:
			s.Say("  %v", err)
		case hint.IsSocket() && protocol == discover.POP3:
			s.Say("  %q is a socket; popferry speaks POP3 to a host and its port.", line)
		case !hint.IsSocket() && protocol == discover.LMTP && hint.Port == 0:
			s.Say("  LMTP has no usual port; name that of %s, too.", line)
		default:
			x.protocol = protocol
			return hint, nil
		}
	}
}

// protocolAt is what a side's server speaks: LMTP at a socket.
func (s *setup) protocolAt(x *side, h discover.Hint) discover.Protocol {
	switch {
	case x.protocol == discover.POP3:
		return discover.POP3
	case s.flags.lmtp || h.IsSocket():
		return discover.LMTP
	}
	return discover.Submission
}

// parseServer reads HOST, HOST:PORT or unix:/path.
func parseServer(line string) (discover.Hint, error) {
	h := discover.Hint{Host: line}
	if line == "" || strings.ContainsAny(line, " /@") && !h.IsSocket() {
		return h, fmt.Errorf("%q is not a server; one looks like mail.example.net or mail.example.net:995", line)
	}
	if h.IsSocket() || strings.Count(line, ":") != 1 && !strings.HasPrefix(line, "[") { // no port, or an IPv6 address
		return h, nil
	}
	host, port, err := net.SplitHostPort(line)
	if err != nil {
		return h, err
	}
	if h.Port, err = strconv.Atoi(port); err != nil || h.Port < 1 || h.Port > 65535 {
		return h, fmt.Errorf("%q is no port", port)
	}
	h.Host = host
	return h, nil
}
