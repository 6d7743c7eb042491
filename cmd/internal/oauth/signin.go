package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
)

// SignIn is what a provider gave to a user who has just signed in. It shows
// nothing of it.
type SignIn struct {
	token     *oauth2.Token
	endpoints Endpoints
}

// Format writes what it is, whatever the verb.
func (s SignIn) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String names the type alone.
func (SignIn) String() string { return "a sign-in" }

// Access is the access token, to try the mailbox with.
func (s SignIn) Access() string { return s.token.AccessToken }

// Renews reports whether the provider gave a refresh token, so that the sign-in
// outlives its access token.
func (s SignIn) Renews() bool { return s.token.RefreshToken != "" }

// Until is when the provider ends the sign-in; zero if it does not say.
func (s SignIn) Until() time.Time { return s.row(Client{}, time.Now()).Until }

// row is the sign-in as the ledger keeps it.
func (s SignIn) row(c Client, now time.Time) ledger.Token {
	return apply(ledger.Token{TokenKey: c.Key(), URL: s.endpoints.Token, Header: s.endpoints.Header, Scopes: c.scopes(), Signed: now}, s.token, now)
}

// Redirect is a sign-in by a browser, which ends at an address with a code (RFC
// 6749 section 4.1, with PKCE: RFC 7636).
type Redirect struct {
	// URL is what to open.
	URL string

	client          Client
	endpoints       Endpoints
	cfg             *oauth2.Config
	state, verifier string
}

// pasted is where a browser ends if nothing listens for it: an error page, whose
// address has the code.
const pasted = "http://localhost/"

// Paste begins a sign-in in a browser on another machine: its user copies the
// address at which it ends.
func (c Client) Paste(ctx context.Context) (*Redirect, error) { return c.redirect(ctx, pasted) }

// redirect begins a sign-in that ends at this address.
func (c Client) redirect(ctx context.Context, to string) (*Redirect, error) {
	e, err := c.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	if e.Auth == "" {
		return nil, &Error{Reason: Invalid, Text: fmt.Sprintf("%s has no address at which a browser can sign in: set auth_url", c.host())}
	}
	secret, err := c.secret(ctx)
	if err != nil {
		return nil, err
	}
	r := &Redirect{client: c, endpoints: e, cfg: c.config(e, secret), state: rand.Text(), verifier: oauth2.GenerateVerifier()}
	r.cfg.RedirectURL = to
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(r.verifier), oauth2.SetAuthURLParam("login_hint", c.User)}
	if hostOf(e.Token) == googleHost { // else it gives a refresh token only the first time
		options = append(options, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	r.URL = r.cfg.AuthCodeURL(r.state, options...)
	return r, nil
}

// EndsAt reports whether an address is one at which this very sign-in has ended,
// well or not.
func (r *Redirect) EndsAt(address string) bool { return r.mine(queryOf(address)) }

// Finish ends the sign-in with the address at which the browser has ended.
func (r *Redirect) Finish(ctx context.Context, address string) (SignIn, error) {
	return r.finish(ctx, queryOf(address))
}

func queryOf(address string) url.Values {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return nil
	}
	return u.Query()
}

func (r *Redirect) doing() string {
	return fmt.Sprintf("signing in as %s at %s", r.client.User, r.client.host())
}

// mine reports whether an answer belongs to this sign-in (RFC 6749 section 10.12).
func (r *Redirect) mine(answer url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(r.state)) == 1 && (answer.Has("code") || answer.Has("error"))
}

// finish exchanges the code of an answer.
func (r *Redirect) finish(ctx context.Context, answer url.Values) (SignIn, error) {
	if !r.mine(answer) {
		return SignIn{}, &Error{Reason: Invalid, Doing: r.doing(), Text: "this is not the address at which the sign-in ended: it must have the code of this very attempt in it"}
	}
	code := answer.Get("code")
	var mask login.Mask
	for _, s := range []string{code, r.cfg.ClientSecret, r.verifier} {
		mask.Hide(s)
	}
	if code == "" {
		return SignIn{}, r.client.failed(r.doing(), &oauth2.RetrieveError{ErrorCode: answer.Get("error"), ErrorDescription: answer.Get("error_description")}, &mask)
	}
	token, err := ask(ctx, true, func(ctx context.Context) (*oauth2.Token, error) {
		return r.cfg.Exchange(ctx, code, oauth2.VerifierOption(r.verifier))
	})
	switch {
	case err != nil && ctx.Err() != nil: // the user has left
		return SignIn{}, err
	case err != nil:
		return SignIn{}, r.client.failed(r.doing(), err, &mask)
	}
	return SignIn{token, r.endpoints}, nil
}

// DeviceCode is what a user needs to sign in on another device (RFC 8628 section
// 3.3).
type DeviceCode struct {
	URL  string // what to open
	Code string // what to type in there
	Ends time.Time

	client    Client
	endpoints Endpoints
	cfg       *oauth2.Config
	answer    *oauth2.DeviceAuthResponse
}

// HasDevice reports whether the provider lets users sign in on another device.
// The endpoints of an issuer are not known before they are read.
func (c Client) HasDevice(ctx context.Context) (bool, error) {
	e, err := c.endpoints(ctx)
	return e.Device != "", err
}

const (
	// deviceLife is how long a code lives whose end the provider does not tell.
	deviceLife = 15 * time.Minute
	// The least and most seconds between two questions whether the user has signed
	// in; 5 unless the provider says otherwise (RFC 8628 section 3.2).
	leastInterval, mostInterval = 1, 60
	// mostTroubles is how often the provider may fail to answer that question.
	mostTroubles = 5
)

// Device begins a sign-in on another device.
func (c Client) Device(ctx context.Context) (*DeviceCode, error) {
	e, err := c.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("asking %s for a code to sign in with", c.host())
	if e.Device == "" {
		return nil, &Error{Reason: Invalid, Doing: doing, Text: "the provider does not offer that for mail"}
	}
	secret, err := c.secret(ctx)
	if err != nil {
		return nil, err
	}
	var mask login.Mask
	mask.Hide(secret)
	d := &DeviceCode{client: c, endpoints: e, cfg: c.config(e, secret)}
	if d.answer, err = d.cfg.DeviceAuth(context.WithValue(ctx, oauth2.HTTPClient, deviceClient(ctx, d.cfg)), secretParameter(d.cfg)...); err != nil {
		return nil, c.failed(doing, err, &mask)
	}
	d.URL, d.Code = d.answer.VerificationURI, printable.Line(d.answer.UserCode)
	if wrong := CheckURL(d.URL); wrong != "" || d.Code == "" || d.answer.DeviceCode == "" {
		return nil, &Error{Reason: Unreachable, Doing: doing, Text: "the answer has no code, or no address to open"}
	}
	if d.answer.Expiry.IsZero() {
		d.answer.Expiry = time.Now().Add(deviceLife)
	}
	if d.answer.Interval != 0 {
		d.answer.Interval = max(leastInterval, min(d.answer.Interval, mostInterval))
	}
	d.Ends = d.answer.Expiry
	return d, nil
}

// Wait waits until the user has signed in, or the code has ended.
func (d *DeviceCode) Wait(ctx context.Context) (SignIn, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, newHTTPClient())
	var mask login.Mask
	mask.Hide(d.answer.DeviceCode)
	mask.Hide(d.cfg.ClientSecret)
	doing := fmt.Sprintf("signing in as %s at %s", d.client.User, d.client.host())
	for troubles := 1; ; troubles++ {
		token, err := d.cfg.DeviceAccessToken(ctx, d.answer)
		var answer *oauth2.RetrieveError
		switch {
		case err == nil:
			return SignIn{token, d.endpoints}, nil
		case ctx.Err() != nil:
			return SignIn{}, context.Cause(ctx)
		case !time.Now().Before(d.Ends), errors.As(err, &answer) && answer.ErrorCode == "expired_token":
			return SignIn{}, &Error{Reason: Needed, Doing: doing, Text: "the code has ended before anybody signed in with it"}
		case errors.As(err, &answer) && reasonIn(answer) != Unreachable, troubles == mostTroubles:
			return SignIn{}, d.client.failed(doing, err, &mask)
		}
		// The connection failed, or the provider has a problem: go on at the same pace
		// (RFC 8628 section 3.5).
	}
}
