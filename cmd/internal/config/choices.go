package config

import (
	"slices"
	"strings"
)

// choices are the words that a key accepts.
type choices struct {
	ready []string
	later []string // to be supported by a later version
}

func words(ready ...string) choices { return choices{ready: ready} }

// accountAuth are the ways to log in to a POP3 server.
func accountAuth() choices {
	return words("auto", "plain", "login", "user", "apop", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", AuthExternal)
}

// forwardAuth are the ways to log in to an SMTP server.
func forwardAuth() choices {
	return choices{
		ready: []string{"auto", "plain", "login"},
		later: []string{"cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", "external"},
	}
}

// tokenAuth are the ways to log in with an OAuth2 access token.
func tokenAuth() []string { return []string{"auto", "xoauth2", "oauthbearer"} }

// check reports a word that is not one of w.
func (w choices) check(v yamlValue, word string) bool {
	switch {
	case slices.Contains(w.ready, word):
		return true
	case slices.Contains(w.later, word):
		v.fail("%q is not supported yet", word)
	default:
		v.fail("%q is none of %s", word, strings.Join(slices.Concat(w.ready, w.later), ", "))
	}
	return false
}
