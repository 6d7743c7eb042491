package realserver

import (
	"strings"
	"testing"
)

// OAuth2 lets users in by OAuth2 alone, with XOAUTH2 or OAUTHBEARER and an access
// token that this URL knows.
func OAuth2(tb testing.TB, introspection string) Option {
	tb.Helper()
	s := newScratch(tb)
	s.write("oauth2.conf", strings.ReplaceAll(oauth2Template, "{url}", introspection)+"username_format = %Ln\n")
	return Config("auth_mechanisms = xoauth2 oauthbearer\n" +
		"passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = " + s.path("oauth2.conf") + "\n}\n")
}
