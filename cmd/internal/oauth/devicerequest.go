package oauth

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
)

// longestAnswer is the most that is read of an answer, in octets.
const longestAnswer = 1 << 20

// deviceClient is for the request that begins the device flow. The client
// authenticates as it does at the token endpoint (RFC 8628 section 3.1), which the
// library leaves out; nor does it pass on the context, or close the answer.
func deviceClient(ctx context.Context, cfg *oauth2.Config) *http.Client {
	client := newHTTPClient()
	client.Timeout = 0
	client.Transport = deviceTransport{client.Transport, ctx, cfg}
	return client
}

// secretParameter is the secret of a client that sends it in a parameter.
func secretParameter(cfg *oauth2.Config) []oauth2.AuthCodeOption {
	if cfg.ClientSecret == "" || cfg.Endpoint.AuthStyle == oauth2.AuthStyleInHeader {
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("client_secret", cfg.ClientSecret)}
}

// deviceTransport makes one request, within its context and requestTimeout.
type deviceTransport struct {
	next http.RoundTripper
	ctx  context.Context
	cfg  *oauth2.Config
}

// RoundTrip implements http.RoundTripper.
func (d deviceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(d.ctx, requestTimeout)
	defer cancel()
	r = r.Clone(ctx)
	if d.cfg.Endpoint.AuthStyle == oauth2.AuthStyleInHeader { // RFC 6749 section 2.3.1
		r.SetBasicAuth(url.QueryEscape(d.cfg.ClientID), url.QueryEscape(d.cfg.ClientSecret))
	}
	answer, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	octets, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	if err != nil {
		return nil, err
	}
	whole := *answer
	whole.Body = io.NopCloser(bytes.NewReader(octets))
	return &whole, nil
}
