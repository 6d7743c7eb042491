package realserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Passwords and tokens as they are: the tokens of Google have some 250 octets, those
// of Microsoft 2,000 and more.
const password = "pass wörd =,\"' "

var (
	shortToken = "ya29." + strings.Repeat("a0AfH", 50)
	longToken  = "eyJ0eXAiOiJKV1Qi" + strings.Repeat("LCJub25j", 250)
)

// way is one way to log in.
type way struct {
	method login.Method
	token  bool
	secret string
}

func ways() []way {
	return []way{
		{login.Auto, false, password}, {login.Plain, false, password}, {login.Login, false, password}, {login.CRAMMD5, false, password},
		{login.SCRAMSHA1, false, password}, {login.SCRAMSHA256, false, password},
		{login.Auto, true, shortToken}, {login.XOAuth2, true, longToken}, {login.OAuthBearer, true, shortToken}, {login.OAuthBearer, true, longToken},
	}
}

// tokens are those of leo.
func tokens(t *testing.T) Option {
	return Tokens(t, map[string]string{shortToken: "leo", longToken: "leo"})
}

// startTLS upgrades connections to a server on localhost, with certificates of one's own.
func startTLS(t *testing.T, caFile string, mine ...tls.Certificate) func(context.Context, net.Conn) (net.Conn, error) {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		over := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: mine})
		return over, over.HandshakeContext(ctx)
	}
}

// dialTo connects to an address.
func dialTo(addr string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }
}

// given is a secret.
func given(secret string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return secret, nil }
}

// TestPostfixLogins delivers by each way to log in that Postfix has, with Dovecot
// behind it, and none of them lets a wrong secret in.
func TestPostfixLogins(t *testing.T) {
	t.Parallel()
	p := StartPostfix(t, StartDovecot(t, tokens(t)))
	p.AddUser("leo", password)
	with := func(w way, secret string) *smtp.Pool {
		pool := smtp.New(smtp.Options{
			Dial: dialTo(p.Submission()), StartTLS: startTLS(t, p.CAFile()),
			Username: "leo@" + Domain, Auth: w.method, Token: w.token, Secret: given(secret),
		})
		t.Cleanup(func() { _ = pool.Close() })
		return pool
	}
	for _, w := range ways() {
		m := traced(string(w.method), []byte("a: b\r\n\r\nhi\r\n"))
		m.Sender, m.Recipients = "leo@"+Domain, []string{"leo@" + Domain}
		d := with(w, w.secret).Submit(m)
		outs, err := d.Wait(t.Context(), func(context.Context, forwarder.Mark) error { return nil })
		d.Done()
		if err != nil || outs[0].Kind != forwarder.Accepted {
			t.Errorf("%+v: %v and %v", w, outs, err)
		}
		err = with(w, "wr0ng").Check(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "auth: 535 5.7.8 ") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%+v with a wrong secret: %v", w, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check(t, p.WaitDelivered(ctx, "leo", len(ways())))
	if n := len(slices.Collect(p.Stored("leo"))); n != len(ways()) {
		t.Errorf("%d messages, want %d", n, len(ways()))
	}
}

// TestIMAPLogins logs in to Dovecot by each way that it has, over TLS, and in clear
// by those that hide the password.
func TestIMAPLogins(t *testing.T) {
	t.Parallel()
	d := StartDovecotIMAP(t, tokens(t))
	d.AddUser("leo", password)
	for _, w := range ways() {
		with := func(secret string, secure bool) error {
			o := imap.Options{Dial: dialTo(d.IMAP()), Username: "leo", Auth: w.method, Token: w.token, Secret: given(secret)}
			if secure {
				o.StartTLS = startTLS(t, d.CAFile())
			}
			pool := imap.New(o)
			defer pool.Close()
			return pool.Check(t.Context())
		}
		check(t, with(w.secret, true))
		if !w.token {
			check(t, with(w.secret, false))
		}
		err := with("wr0ng", true)
		if err == nil || !strings.HasPrefix(err.Error(), "auth: NO [AUTHENTICATIONFAILED] ") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%+v with a wrong secret: %v", w, err)
		}
	}
}

// certificateLogin has Dovecot let in whoever has a certificate with the user's name.
const certificateLogin = `
ssl_ca = <{ca}
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
auth_mechanisms = plain external
passdb {
  driver = static
  args = nopassword=y
  mechanisms = external
}
`

// TestCertificateLogin: EXTERNAL lets in the user whom the client's certificate
// names, and nobody else.
func TestCertificateLogin(t *testing.T) {
	t.Parallel()
	s := newScratch(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clients"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	caKey := s.sign(ca, ca, nil, "clients.pem")
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leo"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	key := s.sign(leaf, ca, caKey, "leo.pem")
	text, err := os.ReadFile(s.path("leo.pem"))
	check(t, err)
	block, _ := pem.Decode(text)
	mine := tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
	d := StartDovecotIMAP(t, Config(strings.ReplaceAll(certificateLogin, "{ca}", s.path("clients.pem"))))
	d.AddUser("leo", password)
	d.AddUser("mia", password)
	for user, want := range map[string]bool{"leo": true, "mia": false} {
		pool := imap.New(imap.Options{
			Dial: dialTo(d.IMAP()), StartTLS: startTLS(t, d.CAFile(), mine), Username: user, Auth: login.External,
			Secret: func(context.Context) (string, error) { t.Error("asked for a password"); return "", nil },
		})
		if err := pool.Check(t.Context()); (err == nil) != want {
			t.Errorf("%s: %v", user, err)
		}
		_ = pool.Close()
	}
}
