package dial

import (
	"bufio"
	"crypto/tls"
	"errors"
	"os"
	"testing"
	"time"
)

// again opens a connection, reads its greeting, behind which a ticket came, and
// reports whether an earlier session was resumed.
func again(t *testing.T, d *Dialer) (resumed bool, err error) {
	t.Helper()
	conn, err := d.Dial(t.Context())
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return false, err
	}
	return conn.(*tls.Conn).ConnectionState().DidResume, nil
}

// TestSessionIsResumed: by another account of the same server, but not with other
// settings; the certificate is verified all the same.
func TestSessionIsResumed(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a := newAuthority(t)
		cert := a.server(nil)
		port := serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version}))
		n := NewNetwork()
		settings := TLS{CAFile: a.file()}
		for i, want := range []bool{false, true, true} {
			d, err := n.New(Target{Host: "127.0.0.1", Port: port, TLS: settings})
			check(t, err)
			if got, err := again(t, d); got != want || err != nil {
				t.Errorf("%s, connection %d: resumed %v, want %v; %v", tls.VersionName(version), i, got, want, err)
			}
			d.tls.long.VerifyConnection = verifier{name: "other.test", roots: n.roots[settings.CAFile].value}.verify
			var bad *CertificateError
			if _, err := again(t, d); !errors.As(err, &bad) || bad.Reason != NameMismatch {
				t.Errorf("%s: a session was resumed unverified: %v", tls.VersionName(version), err)
			}
			d.tls.long.VerifyConnection = verifier{name: "127.0.0.1", roots: n.roots[settings.CAFile].value}.verify
			if _, err := again(t, d); err != nil { // the refusal has cost the session
				t.Error(err)
			}
		}
		d, err := n.New(Target{Host: "127.0.0.1", Port: port, TLS: TLS{Pin: pinOf(cert)}})
		check(t, err)
		if got, err := again(t, d); got || err != nil {
			t.Errorf("%s: the session of other settings was resumed: %v, %v", tls.VersionName(version), got, err)
		}
	}
}

// TestConfigIsShared: between the same settings, until a file has changed.
func TestConfigIsShared(t *testing.T) {
	t.Parallel()
	n, first, second := NewNetwork(), newAuthority(t), newAuthority(t)
	file := first.file()
	dialer := func(host string, edit func(*Target)) *Dialer {
		t.Helper()
		target := Target{Host: host, Port: 995, TLS: TLS{CAFile: file}}
		if edit != nil {
			edit(&target)
		}
		d, err := n.New(target)
		check(t, err)
		return d
	}
	one := dialer("pop.test", nil)
	for what, d := range map[string]*Dialer{
		"host":        dialer("pop2.test", nil),
		"port":        dialer("pop.test", func(t *Target) { t.Port = 465 }),
		"server name": dialer("pop.test", func(t *Target) { t.TLS.ServerName = "pop2.test" }),
		"version":     dialer("pop.test", func(t *Target) { t.TLS.Min = "1.3" }),
	} {
		if d.tls == one.tls {
			t.Errorf("shared with another %s", what)
		}
	}
	if dialer("pop.test", func(t *Target) { t.TLS.Mode = StartTLS }).tls != one.tls {
		t.Error("not shared with the same settings")
	}
	if len(n.roots) != 1 {
		t.Errorf("%d pools of roots", len(n.roots))
	}
	other, err := os.ReadFile(second.file())
	check(t, err)
	check(t, os.WriteFile(file, other, 0o600))
	check(t, os.Chtimes(file, time.Time{}, time.Now().Add(time.Second))) // the clock of a disk can be coarse
	if dialer("pop.test", nil).tls == one.tls {
		t.Error("a changed file was not read again")
	}
	check(t, os.Remove(file))
	if _, err := n.New(Target{Host: "pop.test", Port: 995, TLS: TLS{CAFile: file}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is gone, and the error is %v", err)
	}
}
