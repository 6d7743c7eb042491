package dial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	t.Parallel()
	for _, m := range []Mode{Implicit, StartTLS, None} {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("%v parsed is %v, %v", m, got, err)
		}
	}
	if _, err := ParseMode("ssl"); err == nil || err.Error() != `"ssl" is not one of implicit, starttls, none` {
		t.Error(err)
	}
}

func TestUpgradeIsForSTARTTLSAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Implicit, StartTLS, None} {
		d, err := New(Target{Host: "mail.test", Port: 110, TLS: TLS{Mode: mode}})
		check(t, err)
		if got := d.Upgrade() != nil; got != (mode == StartTLS) {
			t.Errorf("%v: an upgrade is %v", mode, got)
		}
		if d.tls != nil && d.tls.long.ServerName != "mail.test" {
			t.Errorf("server name %q", d.tls.long.ServerName)
		}
	}
}

// TestNewErrors: what is wrong in the settings comes out with its name.
func TestNewErrors(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	check(t, os.WriteFile(empty, nil, 0o600))
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for name, test := range map[string]struct {
		target Target
		want   string
	}{
		"host":             {Target{Port: 995}, "no host"},
		"port":             {Target{Host: "h"}, "port 0"},
		"socket":           {Target{Host: "unix:"}, "path of a socket"},
		"TLS on a socket":  {Target{Host: "unix:/s"}, "server name or a pin"},
		"version":          {Target{Host: "h", Port: 1, TLS: TLS{Min: "1.4"}}, `"1.4" is not one of`},
		"short pin":        {Target{Host: "h", Port: 1, TLS: TLS{Pin: "sha256:00"}}, "is not a pin"},
		"pin of SHA-1":     {Target{Host: "h", Port: 1, TLS: TLS{Pin: "sha1:00"}}, "is not a pin"},
		"CA missing":       {Target{Host: "h", Port: 1, TLS: TLS{CAFile: missing}}, missing},
		"CA empty":         {Target{Host: "h", Port: 1, TLS: TLS{CAFile: empty}}, empty},
		"client without":   {Target{Host: "h", Port: 1, TLS: TLS{CertFile: empty}}, "key file"},
		"key without":      {Target{Host: "h", Port: 1, TLS: TLS{KeyFile: empty}}, "certificate file"},
		"client cert file": {Target{Host: "h", Port: 1, TLS: TLS{CertFile: empty, KeyFile: empty}}, empty},
	} {
		if d, err := New(test.target); err == nil || d != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, test.want)
		}
	}
}

func TestPinAsOpenSSLWritesIt(t *testing.T) {
	t.Parallel()
	sum, err := ParsePin("sha256:" + strings.Repeat("AB:", 31) + "cd")
	if check(t, err); sum[0] != 0xab || sum[31] != 0xcd {
		t.Errorf("%x", sum)
	}
}
