package daemon

import (
	"fmt"
	"net"
	"strconv"
	"testing"
)

// TestListenAsWritten: 0.0.0.0 has IPv4 only, [::] has both.
func TestListenAsWritten(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	_ = probe.Close()
	for addr, want := range map[string]map[string]bool{
		"0.0.0.0:0": {"127.0.0.1": true, "::1": false},
		"[::]:0":    {"127.0.0.1": true, "::1": true},
	} {
		l, err := listen(t.Context(), addr)
		if err != nil {
			t.Fatalf("listen on %s: %v", addr, err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		got := map[string]bool{}
		for host := range want {
			conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if got[host] = err == nil; err == nil {
				_ = conn.Close()
			}
		}
		_ = l.Close()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s answers on %v, want %v", addr, got, want)
		}
	}
}
