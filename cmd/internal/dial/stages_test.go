package dial

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"testing"
)

// TestDialStages: each stage is reported once it is done.
func TestDialStages(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	port := serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}}))
	for name, tt := range map[string]struct {
		target Target
		want   []Stage
	}{
		"an address":             {Target{Host: "127.0.0.1", TLS: TLS{CAFile: a.file()}}, []Stage{StageConnect, StageTLS}},
		"a name":                 {Target{Host: "localhost", TLS: TLS{CAFile: a.file(), ServerName: "mail.test"}}, []Stage{StageName, StageConnect, StageTLS}},
		"TLS is not implicit":    {Target{Host: "127.0.0.1", TLS: TLS{Mode: StartTLS}}, []Stage{StageConnect}},
		"an unknown certificate": {Target{Host: "127.0.0.1"}, []Stage{StageConnect}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.target.Port = port
			d, err := New(tt.target)
			check(t, err)
			var got []Stage
			if conn, err := d.DialStages(t.Context(), func(s Stage) { got = append(got, s) }); err == nil {
				conn.Close()
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("reported %v, want %v", got, tt.want)
			}
		})
	}
}

// TestOverMakesConnections: connections are made by the function, with addresses looked up here.
func TestOverMakesConnections(t *testing.T) {
	t.Parallel()
	port := serve(t, greet)
	asked := ""
	n := NewNetwork().Over(func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = address
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	})
	d, err := n.New(Target{Host: "192.0.2.1", Port: 110, TLS: TLS{Mode: None}})
	check(t, err)
	conn, err := d.Dial(t.Context())
	check(t, err)
	conn.Close()
	if asked != "192.0.2.1:110" {
		t.Errorf("asked for %s", asked)
	}
}
