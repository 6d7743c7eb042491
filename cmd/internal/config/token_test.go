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
		`{"access_token": "t0ken", "expires_in": -1e10}`:                             {"t0ken", now},
		`{"access_token": "s3cret", "expires_in": "soon"}`:                           {},
		`{"access_token": "s3cret", "expiry": "tomorrow"}`:                           {},
		`{"access_token": "s3cret"`:                                                  {},
	} {
		token, ends, err := parseToken(text, now)
		if token != want.token || !ends.Equal(want.ends) || (err == nil) != (want.token != "") {
			t.Errorf("%s: got %q until %s, %v; want %q until %s", text, token, ends, err, want.token, want.ends)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want an error that does not show the token", text, err)
		}
	}
}

// TestTokenEnds: all copies of the secret know when the last token expires, and
// nothing before there was one.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	s := tokenFrom(NewSecret(`{"access_token": "t0ken", "expires_in": 3600}`))
	other := s
	if !other.Ends().IsZero() || !NewSecret("x").Ends().IsZero() {
		t.Error("got an expiry before there is a token, want none")
	}
	before := time.Now()
	if token, err := s.Get(t.Context()); err != nil || token != "t0ken" {
		t.Fatalf("got %q, %v; want t0ken", token, err)
	}
	if ends := other.Ends(); ends.Before(before.Add(time.Hour)) || ends.After(time.Now().Add(time.Hour)) {
		t.Errorf("got expiry %s, want an hour from now", ends)
	}
}
