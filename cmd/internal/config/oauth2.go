package config

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauth"
)

// OAuth2 is how popferry signs in to a server by OAuth2. Presets are filled in.
type OAuth2 struct {
	Provider     string // google, microsoft, or the URL of an issuer; "": none of these
	ClientID     string
	ClientSecret Secret // zero: the client has none
	Tenant       string // Microsoft's
	AuthURL      string // "": none, or to be read from the issuer
	TokenURL     string
	DeviceURL    string
	Scopes       []string // what is asked for
}

// TokenSource has the access tokens of those who have signed in.
type TokenSource interface {
	// Token returns an access token for a server, whose OAuth2 is set.
	Token(context.Context, Server) (string, error)
	// Ends returns when the present one ends; zero: not known.
	Ends(Server) time.Time
}

// tokens is where the access tokens of a configuration come from, once that is
// known.
type tokens struct{ atomic.Pointer[TokenSource] }

// UseTokens sets where the access tokens come from for all servers with OAuth2. Until
// then there are none. It may be called at any time.
func (c *Config) UseTokens(source TokenSource) {
	if c.tokens != nil {
		c.tokens.Store(&source)
	}
}

// errNoTokens: nothing was said about where tokens come from, for there is no
// ledger.
var errNoTokens = &oauth.Error{Reason: oauth.Needed, Text: "there is no ledger yet"}

// of is the access token of a server.
func (t *tokens) of(s *Server) Secret {
	return Secret{
		get: func(ctx context.Context) (string, error) {
			if source := t.Load(); source != nil {
				return (*source).Token(ctx, *s)
			}
			return "", errNoTokens
		},
		ends: func() time.Time {
			if source := t.Load(); source != nil {
				return (*source).Ends(*s)
			}
			return time.Time{}
		},
	}
}

// oauth2Keys are the keys of oauth2.
func (l *loader) oauth2Keys(s *Server) keyTable {
	var o OAuth2 // of a server without oauth2 nothing is kept
	set := func(do setter) setter {
		return func(v yamlValue) {
			if s.OAuth2 == nil {
				if l.config.tokens == nil {
					l.config.tokens = new(tokens)
				}
				s.OAuth2 = &o
				s.Secret, s.Token = l.config.tokens.of(s), true
			}
			do(v)
		}
	}
	return keyTable{
		key("provider", "", set(oauth2Provider(&o.Provider))),
		key("client_id", "", set(text(&o.ClientID))),
		key("client_secret_file", "", set(l.passwordFile(&o.ClientSecret))),
		key("tenant", "", set(tenant(&o.Tenant))),
		key("auth_url", "", set(endpoint(&o.AuthURL))),
		key("token_url", "", set(endpoint(&o.TokenURL))),
		key("device_url", "", set(endpoint(&o.DeviceURL))),
		key("scopes", "", set(listOf(&o.Scopes, scope))),
	}
}

// oauth2Provider sets a provider that is known by name, or the URL of an issuer.
func oauth2Provider(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		if _, known := oauth.Preset(*p, ""); known || *p == "" {
			return
		}
		if strings.Contains(*p, "://") {
			endpoint(p)(v)
			return
		}
		v.fail("%q is neither google nor microsoft, nor the URL of an issuer; any other provider can be used by its auth_url and token_url", *p)
	}
}

// endpoint sets a URL that tokens may be sent to. Its error does not show the
// value, which can have a secret in it.
func endpoint(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		if *p == "" {
			return
		}
		if wrong := oauth.CheckURL(*p); wrong != "" {
			v.fail("%s", wrong)
		}
	}
}

// tenant sets one of Microsoft's tenants: an id, a domain, or common, consumers or
// organizations.
func tenant(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		if strings.ContainsFunc(*p, func(r rune) bool { return !isTenantRune(r) }) {
			v.fail("must be common, consumers, organizations, or the id or domain of an organisation")
		}
	}
}

func isTenantRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-'
}

// scope reads one scope (RFC 6749 section 3.3).
func scope(text string) (string, error) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return "", errors.New("each scope is one word, without quotes")
	}
	return text, nil
}

// resolveOAuth2 completes how to sign in, for a protocol: pop3, imap or smtp.
func (d mapping) resolveOAuth2(s *Server, protocol string) {
	o := s.OAuth2
	if o == nil {
		return
	}
	at := d.key("oauth2")
	keys, _ := at.section()
	m := mapping{at, keys}
	m.require("client_id")
	switch {
	case o.Provider == "" && o.TokenURL == "":
		m.key("provider").fail("missing; set google, microsoft, the URL of an issuer, or token_url with auth_url or device_url")
	case o.Provider == "" && o.AuthURL == "" && o.DeviceURL == "":
		m.key("auth_url").fail("missing; set auth_url or device_url, or there is no way to sign in")
	case o.Tenant != "" && o.Provider != oauth.Microsoft:
		m.key("tenant").fail("is for provider: microsoft alone")
	}
	o.Complete(protocol)
}

// Complete fills in what the provider's preset says, for a protocol: pop3, imap or
// smtp.
func (o *OAuth2) Complete(protocol string) {
	if preset, known := oauth.Preset(o.Provider, o.Tenant); known {
		complete(&o.AuthURL, preset.Auth)
		complete(&o.TokenURL, preset.Token)
		complete(&o.DeviceURL, preset.Device)
	}
	if len(o.Scopes) == 0 {
		o.Scopes = slices.Clone(oauth.Scopes(o.Provider, protocol))
	}
}

func complete(p *string, value string) {
	if *p == "" {
		*p = value
	}
}
