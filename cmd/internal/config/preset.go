package config

import (
	"strings"

	"github.com/popferry/popferry/cmd/internal/provider"
)

// providerName sets the name of a known provider that offers POP3.
func providerName(s *string) setter {
	return func(v yamlValue) {
		var name string
		if text(&name)(v); name == "" {
			return
		}
		p, known := provider.ByName(name)
		switch near := meant(name); {
		case !known && near == "":
			v.fail("unknown provider %q; see popferry providers, or set host instead", name)
		case !known:
			v.fail("unknown provider %q; did you mean %q?", name, near)
		case len(p.POP3) == 0:
			v.fail("%s", p.Instead)
		default:
			*s = p.Name
		}
	}
}

// meant returns the name of the provider that was probably meant, or "".
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

const noPasswords = "the server accepts only OAuth2 access tokens, not passwords; set token_command"

// resolveProvider fills in what an account leaves to its provider. What is known
// about a server also applies if the account names only the host.
func (a *accountMapping) resolveProvider() {
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
	a.RETRHides = p.RETRHides || host.RETRHides // a wrong provider name must not cost mail
	if !a.has("min_interval") {
		a.MinInterval = p.MinInterval()
	}
}

// checkTokenOnly reports a password for a provider that accepts only tokens: as
// an error if the account names the provider, otherwise as a warning, because
// the host may have changed its mind.
func (a *accountMapping) checkTokenOnly(named bool) {
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

// takeServer takes the provider's first server that agrees with the account's
// own keys. If none does, the account's keys win; only a missing host is filled
// in.
func (a *accountMapping) takeServer(p provider.Provider) {
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
