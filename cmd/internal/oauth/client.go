package oauth

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/popferry/popferry/fetcher/ledger"
)

// The providers whose endpoints and scopes are known.
const (
	Google    = "google"
	Microsoft = "microsoft"
)

// Client is popferry at a provider, for one mailbox.
type Client struct {
	ID     string
	Secret func(context.Context) (string, error) // nil: the client has none
	// Issuer has metadata with the endpoints (RFC 8414, OpenID Connect Discovery); ""
	// if Endpoints are known.
	Issuer    string
	Endpoints Endpoints
	Scopes    []string
	User      string // of the mailbox
}

// Endpoints are the URLs of a provider; "" where it has none.
type Endpoints struct {
	Auth, Token, Device, Revoke string
	// Header: the token endpoint takes the client's secret in a header alone
	// (client_secret_basic, RFC 6749 2.3.1).
	Header bool
}

// DefaultTenant lets in the users of all organisations and personal accounts.
const DefaultTenant = "common"

// Preset returns the endpoints of a provider that is known by name. tenant is
// Microsoft's: common, consumers, organizations, or that of an organisation.
// Google does not offer mail to devices, so that it has no such endpoint here
// (https://developers.google.com/identity/protocols/oauth2/limited-input-device#allowedscopes).
func Preset(name, tenant string) (e Endpoints, known bool) {
	switch name {
	case Google:
		return Endpoints{Auth: "https://accounts.google.com/o/oauth2/v2/auth", Token: "https://" + googleHost + "/token", Revoke: "https://" + googleHost + "/revoke"}, true
	case Microsoft:
		if tenant == "" {
			tenant = DefaultTenant
		}
		base := "https://" + microsoftHost + "/" + url.PathEscape(tenant) + "/oauth2/v2.0/"
		return Endpoints{Auth: base + "authorize", Token: base + "token", Device: base + "devicecode"}, true
	}
	return Endpoints{}, false
}

// The hosts of the token endpoints.
const (
	googleHost    = "oauth2.googleapis.com"
	microsoftHost = "login.microsoftonline.com"
)

// Scopes returns what a provider that is known by name has to be asked for, for
// mail by pop3, imap or smtp; nil for others.
// Sources: https://developers.google.com/gmail/imap/xoauth2-protocol and
// https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.
func Scopes(name, protocol string) []string {
	switch name {
	case Google:
		return []string{"https://mail.google.com/"}
	case Microsoft:
		permission := "SMTP.Send"
		switch protocol {
		case "pop3":
			permission = "POP.AccessAsUser.All"
		case "imap":
			permission = "IMAP.AccessAsUser.All"
		}
		return []string{"https://outlook.office.com/" + permission, "offline_access"}
	}
	return nil
}

// Key names the sign-in in the ledger. Another provider, client or mailbox is
// another sign-in.
func (c Client) Key() ledger.TokenKey {
	provider := c.Endpoints.Token
	if provider == "" {
		provider = c.Issuer
	}
	return ledger.TokenKey{Provider: provider, Client: c.ID, User: strings.ToLower(c.User)}
}

// host is the provider's, as messages name it.
func (c Client) host() string { return hostOf(c.Key().Provider) }

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "the provider"
	}
	return u.Hostname()
}

// config is the client as the library wants it.
func (c Client) config(e Endpoints, secret string) *oauth2.Config {
	// Not AuthStyleAutoDetect: it asks twice, with one and the same refresh token.
	style := oauth2.AuthStyleInParams
	if e.Header && secret != "" {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: c.ID, ClientSecret: secret, Scopes: c.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: e.Auth, TokenURL: e.Token, DeviceAuthURL: e.Device, AuthStyle: style},
	}
}

// secret asks for the client's secret; "" if it has none.
func (c Client) secret(ctx context.Context) (string, error) {
	if c.Secret == nil {
		return "", nil
	}
	return c.Secret(ctx)
}

// scopes are the client's as the ledger keeps them: in order, each once.
func (c Client) scopes() string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(c.Scopes))), " ")
}

// covers reports whether what was asked for at a sign-in is all that the client
// needs.
func (c Client) covers(asked string) bool {
	had := strings.Fields(asked)
	return !slices.ContainsFunc(c.Scopes, func(s string) bool { return !slices.Contains(had, s) })
}

// CheckURL reports what is wrong with the URL of an endpoint: "" if nothing is.
// Tokens are sent there, so that it has to be https, or on this machine.
func CheckURL(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return "must be a URL such as https://login.example.net/token"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "must begin with https:// (http:// is for this machine alone)"
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
