package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// handshakes counts those of a server, by whether they resumed a session.
type handshakes struct{ whole, resumed atomic.Int32 }

func (h *handshakes) config(cert tls.Certificate, version uint16) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version, VerifyConnection: func(s tls.ConnectionState) error {
		if s.DidResume {
			h.resumed.Add(1)
		} else {
			h.whole.Add(1)
		}
		return nil
	}}
}

// TestRunOnceResumesTLSSessions: on both sides, with implicit TLS and by STLS and
// STARTTLS. The file is for its owner only.
func TestRunOnceResumesTLSSessions(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	cert := authority.Server("127.0.0.1")
	for name, tt := range map[string]struct {
		implicit bool
		version  uint16
	}{"implicit": {true, tls.VersionTLS13}, "starttls": {false, tls.VersionTLS13}, "implicit, TLS 1.2": {true, tls.VersionTLS12}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pop, smtp handshakes
			src := testworld.POP3(t, pop3test.Options{TLS: pop.config(cert, tt.version), ImplicitTLS: tt.implicit}, testworld.OneMail)
			sink := testworld.SMTP(t, smtptest.Options{TLS: smtp.config(cert, tt.version), Implicit: tt.implicit})
			mode, _, _ := strings.Cut(name, ",")
			cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls: %[2]s, tls_ca_file: %[3]q, username: leo, password: secret}
forward:
  - {%[4]s, tls: %[2]s, tls_ca_file: %[3]q, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), mode, authority.File(), testworld.HostPort(t, sink.Addr().String()))
			for run := int32(1); run <= 3; run++ {
				code, _, errs := popferry(t, "run", "--once", "--trace", "isp", "--verbose", "--config", cfg)
				if code != 0 || strings.Contains(errs, "TLS sessions") {
					t.Errorf("run %d: exit %d\n%s", run, code, errs)
				}
				src.Add("leo", pop3test.Message{UID: strings.Repeat("x", int(run)), Octets: []byte("Subject: " + string('0'+run) + "\r\n\r\nhi\r\n")})
				if whole, resumed := pop.whole.Load(), pop.resumed.Load(); whole != 1 || resumed != run-1 {
					t.Errorf("run %d, POP3: %d whole handshakes and %d resumed, want 1 and %d", run, whole, resumed, run-1)
				}
				if whole, resumed := smtp.whole.Load(), smtp.resumed.Load(); whole != 1 || resumed != run-1 {
					t.Errorf("run %d, SMTP: %d whole handshakes and %d resumed, want 1 and %d", run, whole, resumed, run-1)
				}
			}
			info, err := os.Stat(filepath.Join(filepath.Dir(cfg), "popferry.db.tls"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the sessions' file: %v, %v; want it for its owner only", info, err)
			}
		})
	}
}

// TestTLSSessionsThatDoNotCount: mail does not wait for a file on which nothing depends,
// and the next run has one of its own.
func TestTLSSessionsThatDoNotCount(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	src := testworld.POP3(t, pop3test.Options{TLS: &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}, ImplicitTLS: true}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls_ca_file: %q, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), authority.File(), testworld.HostPort(t, sink.Addr().String()))
	path := filepath.Join(filepath.Dir(cfg), "popferry.db.tls")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // not only what the umask leaves
		t.Fatal(err)
	}
	if code, _, errs := popferry(t, "run", "--once", "--config", cfg); code != 0 || len(sink.Messages()) != 1 {
		t.Errorf("exit %d, %d messages, want 0 and 1\n%s", code, len(sink.Messages()), errs)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() <= 2 {
		t.Errorf("the sessions' file: %v, %v; want a new one, for its owner only", info, err)
	}
}
