package pop3_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// scramServer is the server's side of SCRAM. bend may change its messages;
// the final one is left out if bend makes it empty.
func scramServer(hash scram.HashGeneratorFcn, bend func(message string) string) pop3test.Mechanism {
	return func(_ *pop3test.Session, initial []byte, ask func([]byte) ([]byte, error)) (string, error) {
		server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
			client, err := hash.NewClient(user, "pass wörd", "")
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
			s := start(t, pop3test.Options{
				Users: map[string]string{"leo,=": "pass wörd"},
				SASL: map[string]pop3test.Mechanism{
					"SCRAM-SHA-1": scramServer(scram.SHA1, tt.bend), "SCRAM-SHA-256": scramServer(scram.SHA256, tt.bend),
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

// start runs a server until the test ends.
func start(t *testing.T, o pop3test.Options) *pop3test.Server {
	t.Helper()
	if o.Users == nil {
		o.Users = map[string]string{"leo": "secret"}
	}
	s := pop3test.NewServer(o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// dial begins a session.
func dial(t *testing.T, s *pop3test.Server, o pop3.Options) *pop3.Client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	c := pop3.New(conn, o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// connect is dial as far as the capabilities.
func connect(t *testing.T, s *pop3test.Server) *pop3.Client {
	t.Helper()
	c := dial(t, s, pop3.Options{})
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Capa(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// logIn is connect and the login as leo.
func logIn(t *testing.T, s *pop3test.Server) *pop3.Client {
	t.Helper()
	c := connect(t, s)
	if err := c.Login(t.Context(), leo); err != nil {
		t.Fatal(err)
	}
	return c
}

// leo is who has the mailbox of these tests.
var leo = pop3.Credentials{Username: "leo", Secret: secret("secret")}

// secret is a Credentials.Secret.
func secret(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}
