package dial

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"os"
	"sync/atomic"
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

// nextProcess is a network that has the sessions of another one, as the next process has
// them.
func nextProcess(n *Network) *Network {
	next := NewNetwork()
	next.RestoreSessions(n.Sessions())
	return next
}

// TestSessionIsResumedByTheNextProcess: also by the one after that, which made no
// connection to the server; not with other settings.
func TestSessionIsResumedByTheNextProcess(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a := newAuthority(t)
		cert := a.server(nil)
		port := serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version}))
		n := NewNetwork()
		if n.Sessions() != nil {
			t.Error("there are sessions before the first connection")
		}
		connect := func(n *Network, settings TLS) (bool, error) {
			d, err := n.New(Target{Host: "127.0.0.1", Port: port, TLS: settings})
			check(t, err)
			return again(t, d)
		}
		settings := TLS{CAFile: a.file()}
		for i, want := range []bool{false, true, true} {
			if got, err := connect(n, settings); got != want || err != nil {
				t.Errorf("%s, process %d: resumed %v, want %v; %v", tls.VersionName(version), i, got, want, err)
			}
			n = nextProcess(nextProcess(n))
		}
		for name, other := range map[string]TLS{
			"with a pin": {Pin: pinOf(cert)}, "another name": {CAFile: settings.CAFile, ServerName: "127.0.0.1"}, "TLS 1.0": {CAFile: settings.CAFile, Min: "1.0"},
		} {
			if got, err := connect(nextProcess(n), other); got || err != nil {
				t.Errorf("%s, %s: resumed %v, %v; want a whole handshake", tls.VersionName(version), name, got, err)
			}
		}
	}
}

// TestRestoredSessionIsVerified: a session from the file counts for a server
// only with the certificate that is expected now.
func TestRestoredSessionIsVerified(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t), newAuthority(t)
	cert := a.server(nil)
	port := serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	n := NewNetwork()
	target := Target{Host: "127.0.0.1", Port: port, TLS: TLS{CAFile: a.file()}}
	d, err := n.New(target)
	check(t, err)
	if _, err := again(t, d); err != nil {
		t.Fatal(err)
	}
	var kept map[string]keptSession
	check(t, json.Unmarshal(n.Sessions(), &kept))
	for settings, want := range map[TLS]Reason{
		{CAFile: b.file()}:                      UnknownAuthority,
		{Pin: pinOf(b.server(nil))}:             PinMismatch,
		{CAFile: a.file(), ServerName: "other"}: NameMismatch,
	} {
		target.TLS = settings
		forged := make(map[string]keptSession)
		name := cmp.Or(settings.ServerName, target.Host)
		for _, k := range kept {
			forged[setting{settings, name, d.Addr()}.key()] = k
		}
		octets, err := json.Marshal(forged)
		check(t, err)
		next := NewNetwork()
		next.RestoreSessions(octets)
		d, err := next.New(target)
		check(t, err)
		if _, offered := d.tls.long.ClientSessionCache.Get(""); !offered {
			t.Errorf("%v: the forged session is not offered, so the test shows nothing", want)
		}
		var bad *CertificateError
		if _, err := again(t, d); !errors.As(err, &bad) || bad.Reason != want {
			t.Errorf("error %v, want %v", err, want)
		}
	}
}

// TestServerWithAnotherCertificateTakesOldTickets: where the certificate of a session is
// no longer trusted, the server is asked for the one that it has now. A session that was
// refused is not there in the next process.
func TestServerWithAnotherCertificateTakesOldTickets(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a, b := newAuthority(t), newAuthority(t)
		var cert atomic.Pointer[tls.Certificate]
		replaceBy := func(c tls.Certificate) { cert.Store(&c) }
		config := &tls.Config{MaxVersion: version, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Load(), nil }}
		config.SetSessionTicketKeys([][32]byte{{1}})
		target := Target{Host: "127.0.0.1", Port: serve(t, greetTLS(config)), TLS: TLS{CAFile: a.file()}}
		replaceBy(a.server(nil))
		n := NewNetwork()
		d, err := n.New(target)
		check(t, err)
		if _, err := again(t, d); err != nil {
			t.Fatal(err)
		}
		k, ok := n.session(setting{target.TLS, target.Host, d.Addr()}).kept()
		if !ok {
			t.Fatal("there is no session")
		}
		target.TLS = TLS{CAFile: b.file()} // as if the system no longer trusted a
		for _, replaced := range []bool{false, true} {
			if replaced {
				replaceBy(b.server(nil))
			}
			n := NewNetwork()
			n.restored[setting{target.TLS, target.Host, d.Addr()}.key()] = k
			d, err := n.New(target)
			check(t, err)
			resumed, err := again(t, d)
			var bad *CertificateError
			if replaced && (resumed || err != nil) || !replaced && !errors.As(err, &bad) {
				t.Errorf("%s, certificate replaced %v: resumed %v, %v", tls.VersionName(version), replaced, resumed, err)
			}
			if got := n.Sessions(); (got != nil) != replaced {
				t.Errorf("%s, certificate replaced %v: the next process gets %d octets", tls.VersionName(version), replaced, len(got))
			}
		}
	}
}

// TestOldAndBrokenSessionsDoNotCount: a file from another time or hand costs a whole
// handshake.
func TestOldAndBrokenSessionsDoNotCount(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"nothing":     "",
		"no JSON":     "{",
		"no sessions": `{"00": {"at": "` + time.Now().Format(time.RFC3339) + `", "ticket": "AAAA", "state": "AAAA"}}`,
		"a week old":  `{"00": {"at": "` + time.Now().Add(-8*24*time.Hour).Format(time.RFC3339) + `", "ticket": "AAAA", "state": "AAAA"}}`,
	} {
		n := NewNetwork()
		n.RestoreSessions([]byte(file))
		if got := len(n.restored); (got > 0) != (name == "no sessions") {
			t.Errorf("%s: %d sessions", name, got)
		}
		l := new(lastSession)
		for _, k := range n.restored {
			l.restore(k)
		}
		if _, ok := l.Get(""); ok {
			t.Errorf("%s: there is a session", name)
		}
	}
}
