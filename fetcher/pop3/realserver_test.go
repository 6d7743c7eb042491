package pop3_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
)

// dovecot is a running server.
type dovecot struct {
	addr   string
	client *tls.Config
	leo    tls.Certificate // by which EXTERNAL knows leo
	mail   string          // the folder of leo's mailbox
}

// session is one as far as the capabilities.
func (d *dovecot) session(t *testing.T, method pop3.Method, secure bool) *pop3.Client {
	t.Helper()
	cfg := d.client.Clone()
	if method == pop3.MethodExternal {
		// Not for the others: with LOGIN, Dovecot takes the name for the
		// password if it has learnt the name from the certificate.
		cfg.Certificates = []tls.Certificate{d.leo}
	}
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := pop3.New(conn, pop3.Options{Timeout: time.Minute})
	t.Cleanup(func() { _ = c.Close() })
	_, err = c.Greeting(t.Context())
	if err == nil && secure {
		err = c.StartTLS(t.Context(), cfg)
	}
	if err == nil {
		_, err = c.Capa(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startDovecot starts a server with a mailbox, until the test ends. It skips
// the test where that is not possible, unless POPFERRY_REQUIRE_SERVERS is 1.
func startDovecot(t *testing.T) *dovecot {
	t.Helper()
	path, err := exec.LookPath("dovecot")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/dovecot")
	}
	if err != nil || os.Getuid() != 0 {
		if os.Getenv("POPFERRY_REQUIRE_SERVERS") == "1" {
			t.Fatalf("dovecot cannot be started (uid %d): %v", os.Getuid(), err)
		}
		t.Skip("dovecot cannot be started")
	}
	dir, err := os.MkdirTemp("", "pop3") // t.TempDir is closed to the server's users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "mail"), 0o777))
	must(t, os.Chmod(filepath.Join(dir, "mail"), 0o777))
	d := &dovecot{addr: ownAddress(t), mail: filepath.Join(dir, "mail", "leo")}
	d.certificates(t, dir)
	host, port, err := net.SplitHostPort(d.addr)
	must(t, err)
	conf := strings.NewReplacer("DIR", dir, "HOST", host, "PORT", port, "INTROSPECTION", introspection(t)).Replace(dovecotConf)
	main, oauth2, _ := strings.Cut(conf, "# oauth2\n")
	must(t, os.WriteFile(filepath.Join(dir, "dovecot.conf"), []byte(main), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "oauth2.conf"), []byte(oauth2), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "passwd"), []byte("leo:{PLAIN}"+strange+"::::::\n"), 0o644))
	run(t, path, dir, d.addr)
	return d
}

// dovecotConf is the configuration, and behind the mark that of OAuth2.
const dovecotConf = `
base_dir = DIR/run
log_path = DIR/log
protocols = pop3
listen = HOST
ssl = yes
ssl_cert = <DIR/server.pem
ssl_key = <DIR/server.key
ssl_ca = <DIR/server.pem
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
auth_failure_delay = 0
disable_plaintext_auth = no
auth_mechanisms = plain login apop cram-md5 scram-sha-1 scram-sha-256 external xoauth2 oauthbearer
passdb {
  driver = static
  args = nopassword=y
  mechanisms = external
}
passdb {
  driver = oauth2
  args = DIR/oauth2.conf
  mechanisms = xoauth2 oauthbearer
}
passdb {
  driver = passwd-file
  args = DIR/passwd
  mechanisms = plain login apop cram-md5 scram-sha-1 scram-sha-256
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=DIR/mail/%u
}
mail_location = maildir:DIR/mail/%u
first_valid_uid = 1
first_valid_gid = 1
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = PORT
  }
  inet_listener pop3s {
    port = 0
  }
}
# oauth2
introspection_mode = post
introspection_url = INTROSPECTION
username_attribute = username
active_attribute = active
active_value = true
`

// introspection is an endpoint that knows one token (RFC 7662).
func introspection(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("token") != token {
			_, _ = w.Write([]byte(`{"active":false}`))
			return
		}
		_, _ = w.Write([]byte(`{"active":true,"username":"leo","scope":"mail"}`))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// certificates writes the server's certificate and makes leo's, both signed
// by the server's.
func (d *dovecot) certificates(t *testing.T, dir string) {
	t.Helper()
	issue := func(name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: parent == nil, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		must(t, err)
		cert, err := x509.ParseCertificate(der)
		must(t, err)
		return cert, key
	}
	server, serverKey := issue("pop.example.net", nil, nil)
	leo, leoKey := issue("leo", server, serverKey)
	der, err := x509.MarshalPKCS8PrivateKey(serverKey)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "server.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "server.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Raw}), 0o644))
	roots := x509.NewCertPool()
	roots.AddCert(server)
	d.client = &tls.Config{ServerName: "pop.example.net", RootCAs: roots}
	d.leo = tls.Certificate{Certificate: [][]byte{leo.Raw}, PrivateKey: leoKey}
}

// ownAddress is one of the sixteen million of loopback (RFC 1122 3.2.1.3), and
// a port below those of outgoing connections: nothing else ever uses it.
func ownAddress(t *testing.T) string {
	t.Helper()
	var b [3]byte
	_, err := rand.Read(b[:])
	must(t, err)
	return fmt.Sprintf("127.%d.%d.%d:20110", 1+b[0]%254, b[1], 1+b[2]%254)
}

// run starts the server and waits until it listens.
func run(t *testing.T, path, dir, addr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "-F", "-c", filepath.Join(dir, "dovecot.conf"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if log, err := os.ReadFile(filepath.Join(dir, "log")); t.Failed() && err == nil {
			t.Logf("%s%s", &out, log)
		}
	})
	for range time.Tick(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("dovecot ended: %s", &out)
		case <-t.Context().Done():
			t.Fatal("dovecot does not listen")
		default:
		}
	}
}

// must fails the test.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
