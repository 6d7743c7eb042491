package cause

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
)

// TestSignIns: each reason why a sign-in cannot be used is the cause that the
// ledger notes with it, at the mailbox and at the destination.
func TestSignIns(t *testing.T) {
	t.Parallel()
	for r := oauth.Unreachable; r <= oauth.Invalid; r++ {
		err := &config.SecretError{Err: &oauth.Error{Reason: r, Doing: "renewing", Text: "no"}}
		mailbox := &mailbox.Error{Step: pop3.StepLogin, Err: fmt.Errorf("login: %w", err)}
		destination := &outcome.DestinationError{Outcome: forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageAuth, Err: err}}
		for _, failed := range []error{mailbox, destination} {
			if got := Of(failed); got.Code != r.Code() || got.Remedy == "" {
				t.Errorf("%v: cause %s, want %s with a remedy", failed, got.Code, r.Code())
			}
		}
	}
}

// TestTokenRefused: a server that refuses an access token is not said to have
// refused a password.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{"AUTH XOAUTH2": "token_refused", "AUTH OAUTHBEARER": "token_refused", "PASS": "credentials", "AUTH PLAIN": "credentials"} {
		err := &mailbox.Error{Step: pop3.StepLogin, Err: &pop3.Error{Command: command, Code: "AUTH", Text: "no"}}
		if got := Of(err).Code; got != want {
			t.Errorf("%s: cause %s, want %s", command, got, want)
		}
	}
}
