package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/login"
)

// Revoke has the provider end a sign-in that the ledger no longer has (RFC 7009), with
// all that came of it. told is false if that cannot be asked of this provider. Errors
// are of type *Error, or those of the client's secret.
func (c Client) Revoke(ctx context.Context, was ledger.Token) (told bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	e, err := c.endpoints(ctx)
	if err != nil || e.Revoke == "" {
		return false, err
	}
	secret, err := c.secret(ctx)
	if err != nil {
		return false, err
	}
	token, kind := was.Refresh, "refresh_token"
	if token == "" {
		token, kind = was.Access, "access_token"
	}
	var mask login.Mask
	mask.Hide(token)
	mask.Hide(secret)
	form := url.Values{"token": {token}, "token_type_hint": {kind}}
	if err := c.revoke(ctx, e, secret, form); err != nil {
		return false, c.failed(fmt.Sprintf("ending the sign-in of %s at %s", c.User, c.host()), err, &mask)
	}
	return true, nil
}

// revoke makes the request. A token that the provider does not know is none to it (RFC
// 7009 section 2.2).
func (c Client) revoke(ctx context.Context, e Endpoints, secret string, form url.Values) error {
	basic := e.Header && secret != ""
	if !basic {
		form.Set("client_id", c.ID)
	}
	if secret != "" && !basic {
		form.Set("client_secret", secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(secret)) // RFC 6749 section 2.3.1
	}
	answer, err := newHTTPClient().Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	refused := &oauth2.RetrieveError{Response: answer}
	var said struct {
		Code string `json:"error"`
		Text string `json:"error_description"`
	}
	if err == nil && json.Unmarshal(body, &said) == nil { // RFC 6749 section 5.2; a proxy's page has no code
		refused.ErrorCode, refused.ErrorDescription = said.Code, said.Text
	}
	return refused
}
