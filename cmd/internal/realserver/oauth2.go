package realserver

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// tokenConfig is what Dovecot needs to take access tokens.
const tokenConfig = `
auth_mechanisms = plain login apop cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer
passdb {
  driver = oauth2
  args = {oauth2}
  mechanisms = xoauth2 oauthbearer
}
`

// oauth2Template is the configuration of that passdb.
const oauth2Template = `
introspection_mode = post
introspection_url = {url}
username_attribute = username
username_format = %Ln
active_attribute = active
active_value = true
`

// Tokens has Dovecot take access tokens, too, by XOAUTH2 and OAUTHBEARER: users has
// their user by token. A Postfix that asks that Dovecot takes them as well.
func Tokens(tb testing.TB, users map[string]string) Option {
	tb.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // RFC 7662
		user, active := users[r.FormValue("token")]
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"active": active, "username": user})
	}))
	tb.Cleanup(endpoint.Close)
	s := newScratch(tb)
	s.write("oauth2.conf", strings.ReplaceAll(oauth2Template, "{url}", endpoint.URL))
	return Config(strings.ReplaceAll(tokenConfig, "{oauth2}", s.path("oauth2.conf")))
}
