package config

import (
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/memtest"
)

// FuzzParseToken: whatever a token command prints, it is a token or an error that
// shows nothing of it, and what expires in some seconds does so within a year.
func FuzzParseToken(f *testing.F) {
	f.Add(`ya29.opaque`)
	f.Add(`{"access_token": "t0ken", "expires_in": "3600.0"}`)
	f.Add(`{"access_token": "t0ken", "expires_in": -1e300}`)
	f.Add(`{"access_token": "t0ken", "expiry": "2026-11-22T14:00:00+01:00"}`)
	f.Add(`{"access_token": {"access_token": "t0ken"}}` + strings.Repeat(" ", 100))
	f.Add(strings.Repeat(`{"a":[`, 500))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxSecret {
			return // it is not read
		}
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		var token string
		var ends time.Time
		var err error
		if most := uint64(64<<10 + 64*len(text)); memtest.Exceeds(most, func() { token, ends, err = parseToken(text, now) }) {
			t.Errorf("%d octets take more than %d", len(text), most)
		}
		switch {
		case err != nil && (token != "" || !ends.IsZero() || err.Error() != errToken.Error()):
			t.Errorf("a token of %d octets that ends at %v, and the error %v", len(token), ends, err)
		case err == nil && token == "" && strings.TrimSpace(text) != "":
			t.Errorf("no token and no error of %q", text)
		case !ends.IsZero() && !strings.Contains(strings.ToLower(text), "expiry") && !strings.Contains(text, `\u`) && ends.Sub(now).Abs() > longestToken*time.Second:
			t.Errorf("%q ends at %v, which is more than a year from %v", text, ends, now)
		}
	})
}
