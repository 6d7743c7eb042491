package login

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
)

// wrapped is a connection on top of another one, as a trace is.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestSecure(t *testing.T) {
	t.Parallel()
	clear, other := net.Pipe()
	defer clear.Close()
	defer other.Close()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	local, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	begun := tls.Client(clear, &tls.Config{ServerName: "mx.example"}) // and without a handshake
	for name, tt := range map[string]struct {
		conn net.Conn
		want bool
	}{
		"in clear":               {clear, false},
		"wrapped":                {wrapped{wrapped{clear}}, false},
		"TLS that has not begun": {begun, false},
		"TLS":                    {shaken{begun}, true},
		"TLS, wrapped":           {wrapped{shaken{begun}}, true},
		"a Unix socket":          {local, true},
		"a Unix socket, wrapped": {wrapped{local}, true},
	} {
		if got := Secure(tt.conn); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// shaken is TLS whose handshake is done.
type shaken struct{ net.Conn }

func (shaken) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{HandshakeComplete: true}
}
