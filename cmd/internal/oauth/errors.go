package oauth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
)

// Reason says why there is no access token, or no sign-in.
type Reason int

const (
	// Unreachable: the provider could not be asked, or could not answer.
	Unreachable Reason = iota
	// Needed: nobody has signed in yet, or the sign-in cannot be renewed.
	Needed
	// Refused: the provider ends the sign-in (invalid_grant).
	Refused
	// Consent: the user or the organisation does not allow it any more, or not yet.
	Consent
	// ClientUnknown: the provider does not know the client, or not its secret.
	ClientUnknown
	// Clock: the provider's certificate is not valid by this machine's clock.
	Clock
	// InDoubt: a renewal has no known answer, and the refresh token may have been
	// replaced.
	InDoubt
	// Narrow: the sign-in does not allow all that is needed.
	Narrow
	// Busy: another process has been renewing the sign-in for too long.
	Busy
	// Invalid: the provider refuses what is asked for.
	Invalid
)

// codes are the reasons as the ledger keeps them, and the causes of package cause.
// They never change.
func codes() map[Reason]string {
	return map[Reason]string{
		Unreachable: "signin_unreachable", Needed: "signin_needed", Refused: "signin_refused", Consent: "signin_consent", ClientUnknown: "signin_client",
		Clock: "signin_clock", InDoubt: "signin_doubt", Narrow: "signin_scopes", Busy: "signin_busy", Invalid: "signin_request",
	}
}

// Code returns the reason as a word.
func (r Reason) Code() string { return codes()[r] }

// reasonOf is the reason with this code.
func reasonOf(code string) Reason {
	for r, c := range codes() {
		if c == code {
			return r
		}
	}
	return Refused
}

// Error is a sign-in that failed, or cannot be used. It has no tokens, codes or
// secrets in it.
type Error struct {
	Reason Reason
	Doing  string // such as "renewing the sign-in of leo@outlook.com at login.microsoftonline.com"
	Text   string // what the provider said, or what happened
}

// Error says what was tried and what happened.
func (e *Error) Error() string {
	if e.Doing == "" {
		return e.Text
	}
	return e.Doing + ": " + e.Text
}

// Is reports whether target is an *Error with the same reason.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason == e.Reason && t.Text == ""
}

// failed explains why a request failed. mask hides what the client sent.
func (c Client) failed(doing string, err error, mask *login.Mask) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var answer *oauth2.RetrieveError
	var wrong x509.CertificateInvalidError
	e := &Error{Reason: Unreachable, Doing: doing}
	switch {
	case errors.As(err, &answer):
		e.Reason, e.Text = reasonIn(answer), saidIn(answer, mask)
	case errors.As(err, &wrong) && wrong.Reason == x509.Expired:
		e.Reason, e.Text = Clock, printable.Reply(inner(err).Error())
	default:
		e.Text = printable.Reply(mask.Text(inner(err).Error()))
	}
	return e
}

// inner is an error without the URL that was asked, which Doing has said.
func inner(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// reasonIn reads an answer (RFC 6749 section 5.2, RFC 8628 section 3.5). What is
// not one of a token endpoint, such as a proxy's page, says nothing about the
// sign-in.
func reasonIn(e *oauth2.RetrieveError) Reason {
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(e.ErrorDescription, w) {
				return true
			}
		}
		return false
	}
	switch e.ErrorCode {
	case "invalid_grant", "expired_token":
		if says("AADSTS65001", "AADSTS65004") { // no consent; declined
			return Consent
		}
		return Refused
	case "consent_required", "interaction_required", "login_required", "access_denied":
		return Consent
	case "invalid_client", "unauthorized_client", "deleted_client", "disabled_client", "org_internal":
		return ClientUnknown
	case "", "server_error", "temporarily_unavailable", "slow_down":
		return Unreachable
	}
	switch {
	case says("AADSTS700016", "AADSTS7000215", "AADSTS7000222", "client_secret"): // no such client; wrong or expired secret
		return ClientUnknown
	case e.Response != nil && (e.Response.StatusCode >= 500 || e.Response.StatusCode == http.StatusTooManyRequests):
		return Unreachable
	}
	return Invalid
}

// clockSkew is how far a clock may be off without a word.
const clockSkew = 5 * time.Minute

// saidIn is what a provider answered, without what was sent to it.
func saidIn(e *oauth2.RetrieveError, mask *login.Mask) string {
	text := "the provider answered "
	if e.ErrorCode == "" {
		if e.Response != nil {
			return text + e.Response.Status
		}
		return text + "no error code"
	}
	text += printable.Reply(mask.Text(e.ErrorCode))
	said, _, _ := strings.Cut(strings.ReplaceAll(e.ErrorDescription, "\r", ""), "Trace ID:") // Microsoft's, of no use here
	if said = printable.Reply(mask.Text(strings.TrimSpace(said))); said != "" {
		text += ": " + said
	}
	if e.Response != nil {
		text += clockNote(e.Response.Header.Get("Date"), time.Now())
	}
	return text
}

// clockNote says by how much the clock of this machine differs from the
// provider's, if that is much.
func clockNote(date string, now time.Time) string {
	theirs, err := http.ParseTime(date)
	if off := now.Sub(theirs).Round(time.Minute).Abs(); err == nil && off > clockSkew {
		return fmt.Sprintf(" (the clock of this machine differs from the provider's by %s)", terminal.Span(off))
	}
	return ""
}

// refusal is an error as the ledger keeps it.
func (e *Error) refusal() ledger.Cause { return ledger.Cause{Code: e.Reason.Code(), Text: e.Error()} }
