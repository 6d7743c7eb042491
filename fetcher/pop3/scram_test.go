package pop3_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/xdg-go/scram"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// scramServer is the server's side of SCRAM, with the octets of the password as they
// are. bend may change its messages; the final one is left out if bend makes it
// empty.
func scramServer(hash scram.HashGeneratorFcn, password string, bend func(message string) string) pop3test.Mechanism {
	return func(_ *pop3test.Session, initial []byte, ask func([]byte) ([]byte, error)) (string, error) {
		server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
			client, err := hash.NewClientUnprepped(user, password, "")
			if err != nil || user != "leo,=" {
				return scram.StoredCredentials{}, errors.New("unknown user")
			}
			return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
		})
		if err != nil {
			return "", err
		}
		conv := server.NewConversation()
		for response := initial; ; {
			message, err := conv.Step(string(response))
			if err != nil {
				return "", errors.New("[AUTH] invalid credentials")
			}
			if message = bend(message); message != "" {
				if response, err = ask([]byte(message)); err != nil {
					return "", err
				}
			}
			if conv.Done() {
				return conv.Username(), nil
			}
		}
	}
}

func TestSCRAM(t *testing.T) {
	t.Parallel()
	same := func(m string) string { return m }
	final := func(to string) func(string) string {
		return func(m string) string {
			if strings.HasPrefix(m, "v=") {
				return to
			}
			return m
		}
	}
	for _, tt := range []struct {
		name     string
		method   pop3.Method
		password string
		bend     func(string) string
		ok       bool
		broken   bool
		says     string
	}{
		{"SHA-1", pop3.MethodSCRAMSHA1, "pass wörd", same, true, false, ""},
		{"SHA-256", pop3.MethodSCRAMSHA256, "pass wörd", same, true, false, ""},
		{"chosen in clear", pop3.MethodAuto, "pass wörd", same, true, false, ""},
		{"octets that are not UTF-8", pop3.MethodSCRAMSHA256, "p\xe4ss", same, true, false, ""},
		{"octets that are not UTF-8, by SHA-1", pop3.MethodSCRAMSHA1, "p\xe4ss", same, true, false, ""},
		{"wrong password", pop3.MethodSCRAMSHA256, "secret", same, false, false, "[AUTH]"},
		{"server without proof", pop3.MethodSCRAMSHA256, "pass wörd", final(""), false, true, "did not prove"},
		{"server with a wrong proof", pop3.MethodSCRAMSHA256, "pass wörd", final("v=AAAA"), false, false, "validation failed"},
		{"hours of work", pop3.MethodSCRAMSHA256, "pass wörd",
			func(m string) string { return strings.Replace(m, "i=4096", "i=2000000000", 1) }, false, false, "iterations"},
		{"too little work", pop3.MethodSCRAMSHA256, "pass wörd",
			func(m string) string { return strings.Replace(m, "i=4096", "i=1", 1) }, false, false, "iterations"},
		{"another nonce", pop3.MethodSCRAMSHA256, "pass wörd",
			func(m string) string { return strings.Replace(m, "r=", "r=x", 1) }, false, false, "nonce"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set := "pass wörd"
			if !utf8.ValidString(tt.password) {
				set = tt.password
			}
			s := start(t, pop3test.Options{
				Users: map[string]string{"leo,=": set},
				SASL: map[string]pop3test.Mechanism{
					"SCRAM-SHA-1": scramServer(scram.SHA1, set, tt.bend), "SCRAM-SHA-256": scramServer(scram.SHA256, set, tt.bend),
				},
			})
			c := connect(t, s)
			err := c.Login(t.Context(), pop3.Credentials{Method: tt.method, Username: "leo,=", Secret: secret(tt.password)})
			if tt.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) || tt.broken != (c.Err() != nil) {
				t.Errorf("login %v, session %v", err, c.Err())
			}
		})
	}
}
