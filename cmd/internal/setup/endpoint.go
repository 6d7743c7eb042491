package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// endpoint is one of the two servers while it is set up.
type endpoint struct {
	*setup
	labels
	protocol  discover.Protocol
	given     Server             // what the input says of it
	address   discover.Address   // of the mailbox or inbox
	provider  *provider.Provider // nil: not known
	server    discover.Server
	pin       string        // of the server's certificate; "": its chain is verified
	network   *dial.Network // to the server
	username  string        // as the user gave it; "": not known
	usernames []string      // to be tried; after a login, the one that was accepted
	secret    config.Secret
	folders   bool    // the path of a Maildir is an answer to the question for the address
	folder    string  // that answer
	tokenOnly bool    // the server takes no passwords
	login     *SignIn // by OAuth2: secret is its access token; nil: a password
	try       tryFunc
}

// tryFunc tries the server with a user name, "" for none, and reports each step.
type tryFunc func(ctx context.Context, username string, report func(probe.Step)) error

// labels are what the user reads about an endpoint.
type labels struct {
	name            string // "POP3 server"
	flag            string // "--host", which names it
	addressQuestion string
}

// result returns the endpoint as it is now.
func (x *endpoint) result() Endpoint {
	r := Endpoint{Protocol: x.protocol, Address: x.address, Server: x.server, Pin: x.pin, Username: x.firstUsername(), Secret: x.secret, SignIn: x.login}
	if x.provider != nil {
		r.Provider = x.provider.Name
	}
	if x.login != nil {
		x.login.client.User = x.firstUsername() // as the configuration will have it
	}
	return r
}

func (x *endpoint) firstUsername() string {
	if len(x.usernames) == 0 {
		return ""
	}
	return x.usernames[0]
}

// dialer returns a dialer for the server.
func (x *endpoint) dialer() (*dial.Dialer, error) {
	tls := dial.TLS{Mode: x.server.TLS}
	switch {
	case tls.Mode == dial.None:
	case x.pin != "":
		tls.Pin = x.pin
	default:
		tls.CAFile = x.in.CAFile
	}
	return x.network.New(dial.Target{Host: x.server.Host, Port: x.server.Port, TLS: tls})
}

// inClear reports whether a password would be sent unencrypted although the user
// has not said that it may. At a socket nobody can listen in.
func (x *endpoint) inClear() bool {
	return x.server.TLS == dial.None && x.server.Port != 0 && x.given.TLS != config.TLSNone
}

// askAddress asks for the mail address until it has one, unless the input has it.
func (x *endpoint) askAddress(ctx context.Context, given string) error {
	for {
		text := given
		if text == "" {
			var err error
			question := x.addressQuestion
			if x.folders {
				question += ", or the path of a Maildir on this machine"
			}
			if text, err = x.Ask(ctx, question, ""); err != nil {
				return err
			}
			if x.folders && isPath(text) {
				x.folder = text
				return nil
			}
		}
		a, err := discover.ParseAddress(text)
		if err == nil {
			if ok, err := x.confirmDomain(ctx, a); ok || err != nil {
				x.address = a
				return err
			}
		} else if given != "" {
			return err
		} else {
			x.Say("  %v", err)
		}
		given = ""
	}
}

// confirmDomain asks about a domain that looks like a well-known one.
func (x *endpoint) confirmDomain(ctx context.Context, a discover.Address) (bool, error) {
	_, near := provider.Near(a.Domain)
	if near == "" || !x.Interactive() {
		return true, nil
	}
	return x.Confirm(ctx, fmt.Sprintf("This looks like %s. Is %s spelled correctly", near, a.Domain), false)
}

// askServer asks for a server until it has one. If the user sees now that the
// address was misspelled, it can be typed instead: the hint is empty then, and
// the next search starts from the new address.
func (x *endpoint) askServer(ctx context.Context) (discover.Hint, error) {
	question := strings.ToUpper(x.name[:1]) + x.name[1:] + " (see your provider's help), or the address again"
	for {
		text, err := x.Ask(ctx, question, "")
		if err != nil {
			return discover.Hint{}, err
		}
		if a, err := discover.ParseAddress(text); err == nil {
			if ok, err := x.confirmDomain(ctx, a); err != nil {
				return discover.Hint{}, err
			} else if ok {
				x.address = a
				return discover.Hint{}, nil
			}
			continue
		}
		hint, err := parseServer(text)
		protocol := x.protocolAt(hint)
		if err == nil {
			err = x.allowed(protocol, hint)
		}
		switch {
		case err != nil:
			x.Say("  %v", err)
		case hint.IsSocket() && protocol == discover.POP3:
			x.Say("  %q is a socket; a POP3 server is a host.", text)
		case !hint.IsSocket() && protocol == discover.LMTP && hint.Port == 0:
			x.Say("  LMTP has no standard port: add the port, for example %s:24.", text)
		default:
			x.protocol = protocol
			return hint, nil
		}
	}
}

// take takes a server, and what is known of its provider.
func (x *endpoint) take(c discover.Candidate) {
	x.server, x.pin, x.network, x.usernames, x.tokenOnly = c.Server, c.Pin, x.finder.Network(c), c.Usernames, c.TokenOnly
	if x.username != "" {
		x.usernames = []string{x.username}
	}
	if x.provider == nil || !slices.ContainsFunc(serversOf(*x.provider, x.protocol), func(p provider.Server) bool { return p.Host == c.Host }) {
		x.provider = nil
		if p, ok := provider.ForHost(c.Host); ok {
			x.provider = &p
		}
	}
	x.OK("%s (%s)", c.Server, c.From)
}
