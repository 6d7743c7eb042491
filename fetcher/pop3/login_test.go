package pop3

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// b64 is base64 in one word, for scripts.
func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func md5Hex(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }

func hmacMD5Hex(key, s string) string {
	h := hmac.New(md5.New, []byte(key))
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil))
}

func TestLogin(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t", 300)
	for _, tt := range []struct {
		name         string
		method       Method
		user, secret string
		lines        []string
	}{
		{"USER and PASS", MethodUser, "leo", "secret", []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: +OK"}},
		{"spaces and UTF-8", MethodUser, "leo", " pass wörd ", []string{"C: USER leo", "S: +OK", "C: PASS  pass wörd ", "S: +OK"}},
		{"APOP of RFC 1939", MethodAPOP, "mrose", "tanstaaf", []string{"C: APOP mrose c4c9334bac560ecc979e58001b3e22fb", "S: +OK"}},
		{"PLAIN", MethodPlain, "leo", "secret", []string{"C: AUTH PLAIN " + b64("\x00leo\x00secret"), "S: +OK"}},
		{"PLAIN, spaces and UTF-8", MethodPlain, "leo", "pass wörd", []string{"C: AUTH PLAIN " + b64("\x00leo\x00pass wörd"), "S: +OK"}},
		{"PLAIN, line of 255 octets", MethodPlain, "leo", strings.Repeat("p", 174), []string{
			"C: AUTH PLAIN " + b64("\x00leo\x00"+strings.Repeat("p", 174)), "S: +OK"}},
		{"PLAIN, line too long", MethodPlain, "leo", strings.Repeat("p", 177), []string{
			"C: AUTH PLAIN", "S: +", "C: " + b64("\x00leo\x00"+strings.Repeat("p", 177)), "S: +OK"}},
		{"USER and PASS, octets that are not UTF-8", MethodUser, "l\xe9o", "p\xe4ss", []string{"C: USER l\xe9o", "S: +OK", "C: PASS p\xe4ss", "S: +OK"}},
		{"APOP, octets that are not UTF-8", MethodAPOP, "mr\xf6se", "tanst\xe4\xe4f", []string{"C: APOP mr\xf6se " + md5Hex("<1896.697170952@dbc.mtview.ca.us>tanst\xe4\xe4f"), "S: +OK"}},
		{"PLAIN, octets that are not UTF-8", MethodPlain, "l\xe9o", "p\xe4ss", []string{"C: AUTH PLAIN " + b64("\x00l\xe9o\x00p\xe4ss"), "S: +OK"}},
		{"LOGIN, octets that are not UTF-8", MethodLogin, "l\xe9o", "p\xe4ss", []string{
			"C: AUTH LOGIN", "S: +", "C: " + b64("l\xe9o"), "S: +", "C: " + b64("p\xe4ss"), "S: +OK"}},
		{"CRAM-MD5, octets that are not UTF-8", MethodCRAMMD5, "l\xe9o", "p\xe4ss", []string{
			"C: AUTH CRAM-MD5", "S: + " + b64("<1@x>"), "C: " + b64("l\xe9o "+hmacMD5Hex("p\xe4ss", "<1@x>")), "S: +OK"}},
		{"LOGIN", MethodLogin, "leo", "secret", []string{
			"C: AUTH LOGIN", "S: + VXNlcm5hbWU6", "C: " + b64("leo"), "S: + UGFzc3dvcmQ6", "C: " + b64("secret"), "S: +OK"}},
		{"LOGIN, other words", MethodLogin, "leo", "secret", []string{
			"C: AUTH LOGIN", "S: +", "C: " + b64("leo"), "S: + " + b64("pwd?"), "C: " + b64("secret"), "S: +OK"}},
		{"CRAM-MD5 of RFC 2195", MethodCRAMMD5, "tim", "tanstaaftanstaaf", []string{
			"C: AUTH CRAM-MD5", "S: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
			"C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", "S: +OK"}},
		{"XOAUTH2", MethodXOAuth2, "leo@example.org", "tok", []string{
			"C: AUTH XOAUTH2 " + b64("user=leo@example.org\x01auth=Bearer tok\x01\x01"), "S: +OK"}},
		{"XOAUTH2, a token as long as they are", MethodXOAuth2, "leo@example.org", token, []string{
			"C: AUTH XOAUTH2", "S: + ", "C: " + b64("user=leo@example.org\x01auth=Bearer "+token+"\x01\x01"), "S: +OK"}},
		{"OAUTHBEARER", MethodOAuthBearer, "leo,=@example.org", "tok", []string{
			"C: AUTH OAUTHBEARER " + b64("n,a=leo=2C=3D@example.org,\x01auth=Bearer tok\x01\x01"), "S: +OK"}},
		{"EXTERNAL", MethodExternal, "leo", "", []string{"C: AUTH EXTERNAL " + b64("leo"), "S: +OK"}},
		{"EXTERNAL, by the certificate alone", MethodExternal, "", "", []string{"C: AUTH EXTERNAL =", "S: +OK"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, tt.lines...)
			c.caps = parseCapabilities("SASL PLAIN")
			cr := Credentials{Method: tt.method, Username: tt.user, Secret: password(tt.secret)}
			if tt.method == MethodExternal {
				cr.Secret = nil
			}
			var trace []string
			c.o.Trace = func(_ bool, line string) { trace = append(trace, line) }
			if err := c.login(t.Context(), cr); err != nil {
				t.Error(err)
			}
			if len(trace) != len(tt.lines) {
				t.Errorf("traced %q", trace)
			}
			hidesSecrets(t, trace, tt.secret, tt.lines)
			if c.caps.Has("SASL") {
				t.Error("the capabilities of before the login are still believed")
			}
		})
	}
}

// Refusals keep the session and show no secret, even where the server echoes it.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	const why = `{"status":"401","schemes":"bearer"}`
	for _, tt := range []struct {
		name   string
		method Method
		lines  []string
		kind   Kind
		says   string
	}{
		{"PASS", MethodUser, []string{"C: USER leo", "S: +OK", "C: PASS s3cret", "S: -ERR [AUTH] no"}, KindCredentials, "PASS: the server says: -ERR [AUTH] no"},
		{"USER", MethodUser, []string{"C: USER leo", "S: -ERR never heard of mailbox leo"}, KindCredentials, ""},
		{"echo of PASS", MethodUser, []string{"C: USER leo", "S: +OK", "C: PASS s3cret", "S: -ERR unknown command: PASS s3cret"}, KindProtocol, "PASS ***"},
		{"echo of AUTH", MethodPlain, []string{"C: AUTH PLAIN " + b64("\x00leo\x00s3cret"), "S: -ERR bad command AUTH PLAIN " + b64("\x00leo\x00s3cret")}, KindProtocol, "AUTH PLAIN ***"},
		{"locked", MethodPlain, []string{"C: AUTH PLAIN " + b64("\x00leo\x00s3cret"), "S: -ERR [IN-USE] busy"}, KindLocked, ""},
		{"XOAUTH2", MethodXOAuth2, []string{"C: AUTH XOAUTH2 " + b64("user=leo\x01auth=Bearer s3cret\x01\x01"),
			"S: + " + b64(why), "C: ", "S: -ERR refused"}, KindCredentials, "refused " + why},
		{"OAUTHBEARER", MethodOAuthBearer, []string{"C: AUTH OAUTHBEARER " + b64("n,a=leo,\x01auth=Bearer s3cret\x01\x01"),
			"S: + " + b64(why), "C: AQ==", "S: -ERR [AUTH] refused"}, KindCredentials, "refused " + why},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, append(tt.lines, "C: QUIT", "S: +OK")...)
			err := c.login(t.Context(), Credentials{Method: tt.method, Username: "leo", Secret: password("s3cret")})
			if e := refused(t, err); e.Kind() != tt.kind || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("kind %v: %v", e.Kind(), err)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), b64("\x00leo\x00s3cret")) {
				t.Errorf("the error shows the password: %v", err)
			}
			if err := c.Quit(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Servers that do not keep to the mechanism.
func TestLoginBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		method Method
		lines  []string
		want   error // nil: an error that leaves the session as it is
	}{
		{"hang-up at the password", MethodUser, []string{"C: USER leo", "S: +OK", "C: PASS s3cret", "X:"}, errEOF},
		{"echo instead of a reply", MethodUser, []string{"C: USER leo", "S: +OK", "C: PASS s3cret", "S: PASS s3cret"}, errProtocol},
		{"a challenge to PASS", MethodUser, []string{"C: USER leo", "S: +OK", "C: PASS s3cret", "S: + abc"}, errProtocol},
		{"a challenge too many", MethodPlain, []string{"C: AUTH PLAIN " + b64("\x00leo\x00s3cret"), "S: + ", "C: *", "S: -ERR"}, nil},
		{"not base64", MethodLogin, []string{"C: AUTH LOGIN", "S: + Username:", "C: *", "S: -ERR"}, nil},
		{"no challenge in CRAM-MD5", MethodCRAMMD5, []string{"C: AUTH CRAM-MD5", "S: + ", "C: *", "S: -ERR"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, tt.lines...)
			err := c.login(t.Context(), Credentials{Method: tt.method, Username: "leo", Secret: password("s3cret")})
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v", err)
			}
			if tt.want != nil {
				broken(t, c, err, tt.want)
			} else if c.Err() != nil {
				t.Errorf("the session is broken: %v", c.Err())
			}
		})
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		caps       []string
		clear, tls Method
	}{
		{nil, MethodUser, MethodUser},
		{[]string{"TOP"}, MethodUser, MethodUser},
		{[]string{"USER"}, MethodUser, MethodUser},
		{[]string{"SASL PLAIN LOGIN", "USER"}, MethodPlain, MethodPlain},
		{[]string{"SASL LOGIN", "USER"}, MethodUser, MethodUser},
		{[]string{"SASL LOGIN"}, MethodLogin, MethodLogin},
		{[]string{"SASL cram-md5 PLAIN", "USER"}, MethodCRAMMD5, MethodPlain},
		{[]string{"SASL CRAM-MD5 SCRAM-SHA-1"}, MethodSCRAMSHA1, MethodSCRAMSHA1},
		{[]string{"SASL SCRAM-SHA-1 SCRAM-SHA-256 CRAM-MD5", "USER"}, MethodSCRAMSHA256, MethodUser},
		{[]string{"SASL XOAUTH2 EXTERNAL OAUTHBEARER"}, MethodUser, MethodUser},
	} {
		plain := ready(t)
		plain.caps = parseCapabilities(tt.caps...)
		if m, err := plain.choose(Credentials{Method: MethodAuto}); m != tt.clear || err != nil {
			t.Errorf("%q in clear: %s, %v; want %s", tt.caps, m, err, tt.clear)
		}
		secure := ready(t, "C: STLS", "S: +OK", "T:")
		if err := secure.startTLS(t.Context(), upgrade(clientTLS())); err != nil {
			t.Fatal(err)
		}
		secure.caps = parseCapabilities(tt.caps...)
		if m, err := secure.choose(Credentials{}); m != tt.tls || err != nil {
			t.Errorf("%q in TLS: %s, %v; want %s", tt.caps, m, err, tt.tls)
		}
	}
	for caps, want := range map[string]Method{"SASL PLAIN XOAUTH2 OAUTHBEARER": MethodXOAuth2, "SASL PLAIN OAUTHBEARER": MethodOAuthBearer, "SASL PLAIN": MethodXOAuth2} {
		c := ready(t)
		c.caps = parseCapabilities(caps)
		if m, err := c.choose(Credentials{Token: true}); m != want || err != nil {
			t.Errorf("%q with a token: %s, %v; want %s", caps, m, err, want)
		}
	}
}

// What fails before anything is sent leaves the session as it is.
func TestLoginImpossible(t *testing.T) {
	t.Parallel()
	c := play(t, Options{}, "S: +OK no timestamp", "C: QUIT", "S: +OK")
	if _, err := c.greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	locked := errors.New("the safe is locked")
	for _, tt := range []struct {
		cr   Credentials
		want error
	}{
		{Credentials{Method: "ntlm", Username: "leo", Secret: password("x")}, ErrMethod},
		{Credentials{Method: MethodAPOP, Username: "leo", Secret: password("x")}, ErrMethod},
		{Credentials{Method: MethodUser, Username: "leo", Secret: func(context.Context) (string, error) { return "", locked }}, locked},
	} {
		if err := c.login(t.Context(), tt.cr); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.cr.Method, err, tt.want)
		}
	}
	if err := c.login(t.Context(), Credentials{Username: "leo"}); err == nil {
		t.Error("logged in without a password")
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUTF8(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: UTF8", "S: +OK", "C: UTF8", "S: -ERR unknown command")
	if err := c.utf8(t.Context()); err != nil {
		t.Error(err)
	}
	refused(t, c.utf8(t.Context()))
}

// hidesSecrets fails if a trace shows a password, or what was sent in its place.
func hidesSecrets(t *testing.T, trace []string, secret string, script []string) {
	t.Helper()
	all := strings.Join(trace, "\n")
	if secret != "" && strings.Contains(all, secret) {
		t.Errorf("the trace shows the secret: %s", all)
	}
	for _, line := range script {
		words := strings.Fields(line)
		if words[0] != "C:" || words[1] == "USER" || len(words) == 3 && words[1] == "AUTH" {
			continue
		}
		if last := words[len(words)-1]; len(last) > 1 && strings.Contains(all, last) {
			t.Errorf("the trace shows %q: %s", last, all)
		}
	}
}
