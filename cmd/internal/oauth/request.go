package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/oauth2"

	"github.com/popferry/popferry/fetcher/ledger"
)

// requestTimeout is how long a provider may take for one answer.
const requestTimeout = 20 * time.Second

// newHTTPClient returns a client for one request. It follows no redirect, which
// would take tokens elsewhere, and sends nothing a second time.
func newHTTPClient() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       requestTimeout,
	}
}

// unansweredError: the request was sent and must not be repeated, and its result is not
// known.
type unansweredError struct{ error }

func (e *unansweredError) Unwrap() error { return e.error }

// ask makes one request to a token endpoint, and follows ctx as far as that does no
// harm: what was sent and must not be repeated is waited for, and nothing else. The
// error is then an *unansweredError if the provider may have granted it nevertheless;
// if ctx was cancelled and the request given up, it is the cause of that.
func ask(ctx context.Context, repeatable bool, do func(context.Context) (*oauth2.Token, error)) (*oauth2.Token, error) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	var s sending
	defer context.AfterFunc(ctx, func() {
		if s.giveUp() || repeatable {
			cancel()
		}
	})()
	client := newHTTPClient()
	client.Transport = s.transport(client.Transport)
	token, err := do(context.WithValue(asking, oauth2.HTTPClient, client))
	var answer *oauth2.RetrieveError
	switch {
	case err == nil:
		return token, nil
	case errors.As(err, &answer) && !lostBehindProxy(answer):
		return nil, err
	case s.begun() && !repeatable:
		return nil, &unansweredError{err}
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, context.Cause(ctx)
	}
	return nil, err
}

// lostBehindProxy reports whether a proxy gave up waiting for the provider, which
// may have granted the request.
func lostBehindProxy(e *oauth2.RetrieveError) bool {
	return e.Response != nil && e.Response.StatusCode == http.StatusGatewayTimeout
}

// renew asks for a new access token (RFC 6749 section 6).
func (c Client) renew(ctx context.Context, t ledger.Token, secret string) (*oauth2.Token, error) {
	return ask(ctx, mayRepeat(t), func(ctx context.Context) (*oauth2.Token, error) {
		cfg := c.config(Endpoints{Token: t.URL, Header: t.Header}, secret)
		return cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: t.Refresh}).Token()
	})
}

const (
	// usualLife is how long an access token is taken to be valid if the provider does
	// not say it.
	usualLife = time.Hour
	// longestLife is longer than any access token or sign-in that has an end.
	longestLife = 10 * 365 * 24 * time.Hour
)

// apply puts a provider's answer into a sign-in.
func apply(t ledger.Token, answer *oauth2.Token, now time.Time) ledger.Token {
	life := usualLife
	if answer.ExpiresIn > 0 {
		life = seconds(answer.ExpiresIn)
	} else if !answer.Expiry.IsZero() {
		life = time.Until(answer.Expiry)
	}
	t.Access, t.Obtained, t.Ends = answer.AccessToken, now, now.Add(life)
	if answer.RefreshToken != "" {
		t.Refresh = answer.RefreshToken
	}
	// Google says it of clients in testing, Keycloak of its sessions.
	for _, name := range []string{"refresh_token_expires_in", "refresh_expires_in"} {
		if left, ok := number(answer.Extra(name)); ok && left > 0 {
			t.Until = now.Add(seconds(left))
		}
	}
	t.Asked, t.Refusal = time.Time{}, ledger.Refusal{}
	return t
}

func seconds(n int64) time.Duration {
	return time.Duration(min(n, int64(longestLife/time.Second))) * time.Second
}

// number reads a number of an answer, which some write as a string.
func number(v any) (int64, bool) {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	return int64(n), err == nil
}
