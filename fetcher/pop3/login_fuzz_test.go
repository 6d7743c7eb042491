package pop3

import (
	"strings"
	"testing"
)

// FuzzLogin logs in to a server that answers anything.
func FuzzLogin(f *testing.F) {
	methods := []Method{
		MethodAuto, MethodPlain, MethodLogin, MethodUser, MethodAPOP, MethodCRAMMD5,
		MethodSCRAMSHA1, MethodSCRAMSHA256, MethodXOAuth2, MethodOAuthBearer, MethodExternal,
	}
	f.Add(uint8(3), "+OK\n+OK Logged in.")                                                 // Dovecot
	f.Add(uint8(3), "+OK\n-ERR [AUTH] Authentication failed.")                             // Dovecot
	f.Add(uint8(2), "+ VXNlcm5hbWU6\n+ UGFzc3dvcmQ6\n+OK")                                 // Dovecot
	f.Add(uint8(5), "+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n+OK")     // RFC 2195
	f.Add(uint8(7), "+ "+b64("r=x,s=c2FsdA==,i=4096")+"\n+ "+b64("v=AAAA")+"\n+OK")        // RFC 5802
	f.Add(uint8(8), "+ \n-ERR Authentication failure: unknown user name or bad password.") // Exchange
	f.Add(uint8(9), "+ "+b64(`{"status":"invalid_token"}`)+"\n-ERR [AUTH] no")             // RFC 7628
	f.Add(uint8(7), "+ "+b64("s3cret-word,s3cret-word,s3cret-word")+"\n-ERR")
	f.Add(uint8(1), "-ERR bad command AUTH PLAIN "+b64("\x00leo\x00s3cret-word"))
	f.Fuzz(func(t *testing.T, method uint8, replies string) {
		m := methods[int(method)%len(methods)]
		var parts [][]byte
		for line := range strings.SplitSeq(replies, "\n") {
			parts = append(parts, []byte(line+"\r\n"))
		}
		c, done := from(&answers{parts})
		defer done()
		c.banner = "ready <1896.697170952@dbc.mtview.ca.us>"
		err := c.login(t.Context(), Credentials{Method: m, Username: "leo", Secret: password("s3cret-word")})
		if err == nil && (m == MethodSCRAMSHA1 || m == MethodSCRAMSHA256) {
			t.Error("logged in to a server that does not know the password")
		}
		sent := m == MethodPlain && err != nil && strings.Contains(err.Error(), b64("\x00leo\x00s3cret-word"))
		if sent || err != nil && strings.Contains(err.Error(), "s3cret-word") {
			t.Errorf("the error shows the password: %v", err)
		}
	})
}
