package pop3_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3"
)

// strange is a password with all that passwords may have.
const strange = "pass wörd =,\"' "

// TestDovecot logs in by every mechanism to a server that is not ours,
// rightly and wrongly, in clear and after STLS.
func TestDovecot(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	for _, method := range []pop3.Method{
		pop3.MethodAuto, pop3.MethodPlain, pop3.MethodLogin, pop3.MethodUser, pop3.MethodAPOP, pop3.MethodCRAMMD5,
		pop3.MethodSCRAMSHA1, pop3.MethodSCRAMSHA256, pop3.MethodXOAuth2, pop3.MethodOAuthBearer, pop3.MethodExternal,
	} {
		for _, secure := range []bool{false, true} {
			if method == pop3.MethodExternal && !secure {
				continue // it is the client's certificate that logs in
			}
			t.Run(fmt.Sprintf("%s, TLS %v", method, secure), func(t *testing.T) {
				t.Parallel()
				right := strange
				if method == pop3.MethodXOAuth2 || method == pop3.MethodOAuthBearer {
					right = token
				}
				c := d.session(t, method, secure)
				if err := c.Login(t.Context(), pop3.Credentials{Method: method, Username: "leo", Secret: secret(right)}); err != nil {
					t.Fatal(err)
				}
				if l, err := c.Listing(t.Context()); err != nil || len(l.Entries) != 0 {
					t.Errorf("listing %+v, %v", l, err)
				}
				if err := c.Quit(t.Context()); err != nil {
					t.Error(err)
				}
				d.wrong(t, method, secure)
			})
		}
	}
}

// wrong logs in with a wrong password, token or name.
func (d *dovecot) wrong(t *testing.T, method pop3.Method, secure bool) {
	t.Helper()
	user := "leo"
	if method == pop3.MethodExternal {
		user = "somebody else"
	}
	c := d.session(t, method, secure)
	err := c.Login(t.Context(), pop3.Credentials{Method: method, Username: user, Secret: secret("wr0ng")})
	var refused *pop3.Error
	if !errors.As(err, &refused) || refused.Kind() != pop3.KindCredentials || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("with a wrong password: %v", err)
	}
	if method == pop3.MethodOAuthBearer && !strings.Contains(err.Error(), "status") {
		t.Errorf("the server's reason is missing: %v", err)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Errorf("the session does not go on: %v", err)
	}
}

// token is an access token of the length that they have.
var token = strings.Repeat("t0ken", 200)
