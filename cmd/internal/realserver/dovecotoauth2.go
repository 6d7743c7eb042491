package realserver

import (
	"fmt"
	"testing"
)

// oauth2Template has Dovecot ask a provider whose an access token is (RFC 7662).
const oauth2Template = `
introspection_mode = post
introspection_url = %s
username_attribute = username
username_format = %%Ln
active_attribute = active
active_value = true
`

// OAuth2 lets users in by OAuth2 alone, with XOAUTH2 or OAUTHBEARER and an access
// token that this URL knows.
func OAuth2(tb testing.TB, introspection string) Option {
	tb.Helper()
	s := newScratch(tb)
	s.write("oauth2.conf", fmt.Sprintf(oauth2Template, introspection))
	return Config("auth_mechanisms = xoauth2 oauthbearer\n" +
		"passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = " + s.path("oauth2.conf") + "\n}\n")
}
