package config

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// tokenFrom returns the access token in what a command prints. Its Ends is the
// expiry of the last one, if the command reports it.
func tokenFrom(command Secret) Secret {
	var last atomic.Pointer[time.Time]
	return Secret{
		get: func(ctx context.Context) (string, error) {
			text, err := command.get(ctx) // JSON may have several lines
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

// errToken shows nothing of what was printed: it may be secret.
var errToken = errors.New("the token command printed JSON without a valid access_token, expires_in or expiry")

// longestToken is longer than any token is valid, in seconds: a year. A number
// beyond the range of a time must not look like one in the past, nor a negative one
// like one in the future.
const longestToken = 365 * 24 * 60 * 60

// parseToken reads a token: bare, or in JSON as token endpoints answer (RFC 6749
// 5.1) or golang.org/x/oauth2 stores it. The time is its expiry, zero if none is
// given.
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
		return answer.Token, now.Add(time.Duration(max(0, min(seconds, longestToken))) * time.Second), nil
	}
	return answer.Token, answer.Expiry, nil
}
