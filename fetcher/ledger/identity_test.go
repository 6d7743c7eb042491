package ledger

import "testing"

// TestBehind: only a host that is the machine itself is another one behind a proxy.
func TestBehind(t *testing.T) {
	t.Parallel()
	here := NewIdentity("isp", "leo", "localhost", 110)
	for _, tt := range []struct {
		one, other Identity
		same       bool
	}{
		{here, here.Behind(""), true},
		{here, here.Behind("socks5://gateway:1"), false},
		{here.Behind("socks5://gateway:1"), here.Behind("socks5://gateway:2"), false},
		{here.Behind("socks5://gateway:1"), NewIdentity("isp", "leo", "LocalHost", 0).Behind("socks5://gateway:1"), true},
		{NewIdentity("isp", "leo", "pop.example.net", 995), NewIdentity("isp", "leo", "pop.example.net", 995).Behind("socks5://gateway:1"), true},
	} {
		if got := tt.one.SameMailbox(tt.other); got != tt.same {
			t.Errorf("%+v and %+v: the same mailbox is %t, want %t", tt.one, tt.other, got, tt.same)
		}
	}
}
