package config

import (
	"strings"

	"github.com/popferry/popferry/cmd/internal/provider"
)

// providerName sets the name of a known provider that offers POP3.
func providerName(s *string) setter {
	return func(v yamlValue) {
		var name string
		knownProvider(&name)(v)
		if p, known := provider.ByName(name); known && len(p.POP3) == 0 {
			v.fail("%s", p.Instead)
			return
		}
		*s = name
	}
}

// knownProvider sets the name of a known provider.
func knownProvider(s *string) setter {
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

const noPasswords = "the server accepts only OAuth2 access tokens, not passwords; set oauth2 (popferry help oauth2), or token_command"

// resolveProvider fills in what an account leaves to its provider. What is known
// about a server also applies if the account names only the host.
func (a *accountMapping) resolveProvider() {
	p, named := provider.ByName(a.Provider)
	known := named
	if named {
		a.takeServer(&a.Server, p.POP3)
	} else {
		p, known = provider.ForHost(a.Host)
	}
	if !known {
		return
	}
	if p.Auth == provider.AuthOAuth2 && !a.has("auth") {
		a.checkTokenOnly(&a.Server, named)
	}
	host, _ := provider.ForHost(a.Host)
	a.RETRHides = p.RETRHides || host.RETRHides // a wrong provider name must not cost mail
	if !a.has("min_interval") {
		a.MinInterval = p.MinInterval()
	}
}

// checkTokenOnly reports a password for a provider that accepts only tokens: as
// an error if the provider is named, otherwise as a warning, because the host may
// have changed its mind.
func (d mapping) checkTokenOnly(s *Server, named bool) {
	if named {
		s.Auth = provider.AuthOAuth2
	}
	switch {
	case !d.lacksAll(tokenKeys()...):
	case named:
		d.key("provider").fail(noPasswords)
	default:
		d.key("host").warn(noPasswords)
	}
}

// takeServer takes the first of a provider's servers that agrees with one's own
// keys. If none does, these win; only a missing host is filled in.
func (d mapping) takeServer(to *Server, servers []provider.Server) {
	for _, s := range servers {
		if d.has("host") && !strings.EqualFold(to.Host, s.Host) || d.has("port") && to.Port != s.Port || d.has("tls") && to.TLS.Mode != s.TLS {
			continue
		}
		to.Host, to.Port, to.TLS.Mode = s.Host, s.Port, s.TLS
		return
	}
	if !d.has("host") {
		to.Host = servers[0].Host
	}
}
