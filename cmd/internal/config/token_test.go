package config

import (
	"strings"
	"testing"
	"time"
)

func TestParseToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]struct {
		token string
		ends  time.Time
	}{
		"ya29.opaque": {"ya29.opaque", time.Time{}},
		`{"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3599}`:      {"t0ken", now.Add(3599 * time.Second)},
		`{"access_token": "t0ken", "expires_in": "60"}`:                              {"t0ken", now.Add(time.Minute)},
		"\n{\"access_token\": \"t0ken\", \"expiry\": \"2026-11-22T14:00:00+01:00\"}": {"t0ken", now.Add(time.Hour)},
		`{"access_token": "t0ken", "refresh_token": "r"}`:                            {"t0ken", time.Time{}},
		`{"error": "invalid_grant", "error_description": "s3cret"}`:                  {},
		`{"access_token": "t0ken", "expires_in": 3600.0}`:                            {"t0ken", now.Add(time.Hour)},
		`{"access_token": "t0ken", "expires_in": 9223372036854775807}`:               {"t0ken", now.Add(365 * 24 * time.Hour)},
		`{"access_token": "t0ken", "expires_in": 1e300}`:                             {"t0ken", now.Add(365 * 24 * time.Hour)},
		`{"access_token": "s3cret", "expires_in": "soon"}`:                           {},
		`{"access_token": "s3cret", "expiry": "tomorrow"}`:                           {},
		`{"access_token": "s3cret"`:                                                  {},
	} {
		token, ends, err := parseToken(text, now)
		if token != want.token || !ends.Equal(want.ends) || (err == nil) != (want.token != "") {
			t.Errorf("%s: %q until %s, %v", text, token, ends, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows it: %v", text, err)
		}
	}
}

// TestTokenEnds: when the token ends that was given last is known to all copies
// of the secret, and nothing before one was given.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	s := tokenFrom(NewSecret(`{"access_token": "t0ken", "expires_in": 3600}`))
	other := s
	if !other.Ends().IsZero() || !NewSecret("x").Ends().IsZero() {
		t.Error("the end is known before there is a token")
	}
	before := time.Now()
	if token, err := s.Get(t.Context()); err != nil || token != "t0ken" {
		t.Fatalf("%q, %v", token, err)
	}
	if ends := other.Ends(); ends.Before(before.Add(time.Hour)) || ends.After(time.Now().Add(time.Hour)) {
		t.Errorf("it ends at %s", ends)
	}
}
