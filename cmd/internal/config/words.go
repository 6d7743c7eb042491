package config

import (
	"slices"
	"strings"
)

// words are what a key accepts: those that work, and those of the
// configuration's contract that a later version will have.
type words struct {
	ready, later []string
}

func these(ready ...string) words { return words{ready: ready} }

// accountAuth are the ways to log in to a POP3 server.
func accountAuth() words {
	return these("auto", "plain", "login", "user", "apop", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", AuthExternal)
}

// forwardAuth are the ways to log in to an SMTP server.
func forwardAuth() words {
	return words{
		ready: []string{"auto", "plain", "login"},
		later: []string{"cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", "external"},
	}
}

// tokenAuth are the ways to log in with an OAuth2 access token.
func tokenAuth() []string { return []string{"auto", "xoauth2", "oauthbearer"} }

// check reports a word that is none of w.
func (w words) check(v value, word string) bool {
	switch {
	case slices.Contains(w.ready, word):
		return true
	case slices.Contains(w.later, word):
		v.fail("%q is not in this version yet", word)
	default:
		v.fail("%q is none of %s", word, strings.Join(slices.Concat(w.ready, w.later), ", "))
	}
	return false
}
