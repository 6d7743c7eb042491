package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// wellKnown is where the metadata is, below the issuer (OpenID Connect Discovery
// 1.0 section 4). Of those who issue tokens for mail, all that were seen have it.
const wellKnown = "/.well-known/openid-configuration"

// endpoints are the client's own, or else those of its issuer's metadata.
func (c Client) endpoints(ctx context.Context) (Endpoints, error) {
	if c.Issuer == "" || c.Endpoints.Token != "" {
		return c.Endpoints, nil
	}
	e, err := discover(ctx, c.Issuer)
	if err != nil {
		return Endpoints{}, c.failed("reading the endpoints of "+c.Issuer, err, nil)
	}
	return e, nil
}

// discover reads an issuer's metadata (RFC 8414 sections 2 and 3).
func discover(ctx context.Context, issuer string) (Endpoints, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(issuer, "/")+wellKnown, nil)
	if err != nil {
		return Endpoints{}, err
	}
	r, err := newHTTPClient().Do(req)
	if err != nil {
		return Endpoints{}, err
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusOK {
		return Endpoints{}, fmt.Errorf("%s answered %s", req.URL, r.Status)
	}
	var m struct {
		Issuer  string   `json:"issuer"`
		Auth    string   `json:"authorization_endpoint"`
		Token   string   `json:"token_endpoint"`
		Device  string   `json:"device_authorization_endpoint"`
		Revoke  string   `json:"revocation_endpoint"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, longestAnswer)).Decode(&m); err != nil {
		return Endpoints{}, fmt.Errorf("%s is not JSON: %w", req.URL, err)
	}
	if strings.TrimSuffix(m.Issuer, "/") != strings.TrimSuffix(issuer, "/") { // RFC 8414 3.3
		return Endpoints{}, fmt.Errorf("%s is about another issuer, %q", req.URL, m.Issuer)
	}
	for name, address := range map[string]string{"authorization_endpoint": m.Auth, "token_endpoint": m.Token, "device_authorization_endpoint": m.Device, "revocation_endpoint": m.Revoke} {
		if wrong := CheckURL(address); wrong != "" && (address != "" || name == "token_endpoint") {
			return Endpoints{}, fmt.Errorf("%s: %s %q %s", req.URL, name, address, wrong)
		}
	}
	// Without the list it is client_secret_basic (RFC 8414 2), which every server has
	// to support (RFC 6749 2.3.1), and some support alone for devices.
	header := len(m.Methods) == 0 || slices.Contains(m.Methods, "client_secret_basic")
	return Endpoints{Auth: m.Auth, Token: m.Token, Device: m.Device, Revoke: m.Revoke, Header: header}, nil
}
