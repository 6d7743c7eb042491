package config

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// tokenFrom is an access token out of what a command prints. It knows when the
// last one ends, if the command says so.
func tokenFrom(command Secret) Secret {
	var last atomic.Pointer[time.Time]
	return Secret{
		get: func(ctx context.Context) (string, error) {
			text, err := command.Get(ctx)
			if err != nil {
				return "", err
			}
			token, ends, err := parseToken(text, time.Now())
			if err == nil {
				last.Store(&ends)
			}
			return token, err
		},
		ends: func() time.Time {
			if ends := last.Load(); ends != nil {
				return *ends
			}
			return time.Time{}
		},
	}
}

// errToken is all that is told of it: the rest may be secret.
var errToken = errors.New("the token command printed JSON that is no answer of a token endpoint: access_token, and expires_in or expiry")

// longestToken is more than any token lives, in seconds: a year. What is beyond
// the range of a time must not look as if it had ended.
const longestToken = 365 * 24 * 60 * 60

// parseToken reads a token: as it is, or as JSON the way that token endpoints
// answer (RFC 6749 5.1) or golang.org/x/oauth2 keeps it. The time is when it
// ends, zero if that is not said.
func parseToken(text string, now time.Time) (string, time.Time, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text, time.Time{}, nil
	}
	var answer struct {
		Token   string      `json:"access_token"`
		Seconds json.Number `json:"expires_in"` // some write it as a string
		Expiry  time.Time   `json:"expiry"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Token == "" {
		return "", time.Time{}, errToken
	}
	if answer.Seconds != "" {
		seconds, err := answer.Seconds.Float64() // some write 3600.0
		if err != nil {
			return "", time.Time{}, errToken
		}
		return answer.Token, now.Add(time.Duration(min(seconds, longestToken)) * time.Second), nil
	}
	return answer.Token, answer.Expiry, nil
}
