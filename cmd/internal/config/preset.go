package config

import (
	"strings"

	"github.com/popferry/popferry/cmd/internal/provider"
)

// providerName sets the name of a provider that is known and has POP3.
func providerName(s *string) setter {
	return func(v value) {
		var name string
		if text(&name)(v); name == "" {
			return
		}
		p, known := provider.ByName(name)
		switch near := meant(name); {
		case !known && near == "":
			v.fail("%q is no provider that is known; popferry providers lists them, and others need host in its place", name)
		case !known:
			v.fail("%q is no provider that is known; did you mean %q?", name, near)
		case len(p.POP3) == 0:
			v.fail("%s", p.Instead)
		default:
			*s = p.Name
		}
	}
}

// meant is the name of the provider that was probably meant, or "".
func meant(word string) string {
	if p, ok := provider.ForAddress(word); ok {
		return p.Name
	}
	if p, ok := provider.ForHost(word); ok {
		return p.Name
	}
	p, _ := provider.Near(word)
	return p.Name
}

// noPasswords is what is wrong with one where only tokens are taken.
const noPasswords = "passwords are not taken there, only OAuth2 access tokens; give token_command"

// resolveProvider fills in what an account leaves to its provider. What is a
// matter of the server, whoever names it, goes for its host alone too.
func (a *accountDraft) resolveProvider() {
	p, named := provider.ByName(a.Provider)
	known := named
	if named {
		a.takeServer(p)
	} else {
		p, known = provider.ForHost(a.Host)
	}
	if !known {
		return
	}
	if p.Auth == provider.AuthOAuth2 && !a.has("auth") {
		a.checkTokenOnly(named)
	}
	host, _ := provider.ForHost(a.Host)
	a.RETRHides = p.RETRHides || host.RETRHides // a wrong provider's name must not cost mail
	if !a.has("min_interval") {
		a.MinInterval = p.MinInterval()
	}
}

// checkTokenOnly reports a password where it is of no use: as a mistake if the
// account names the provider, else as doubtful, for the host may know better.
func (a *accountDraft) checkTokenOnly(named bool) {
	if named {
		a.Auth = provider.AuthOAuth2
	}
	switch {
	case !a.lacks("token_command"):
	case named:
		a.key("provider").fail(noPasswords)
	default:
		a.key("host").warn(noPasswords)
	}
}

// takeServer takes the provider's first server that agrees with what the
// account says of it. If none does, the account knows better, but for a host
// that it does not name.
func (a *accountDraft) takeServer(p provider.Provider) {
	for _, s := range p.POP3 {
		if a.has("host") && !strings.EqualFold(a.Host, s.Host) || a.has("port") && a.Port != s.Port || a.has("tls") && a.TLS.Mode != s.TLS {
			continue
		}
		a.Host, a.Port, a.TLS.Mode = s.Host, s.Port, s.TLS
		return
	}
	if !a.has("host") {
		a.Host = p.POP3[0].Host
	}
}
