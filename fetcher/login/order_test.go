package login

import (
	"slices"
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	const all = "plain login user apop cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer external"
	for _, tt := range []struct {
		name, offered string
		secure, token bool
		want          string
	}{
		{"under TLS", all, true, false, "plain user login scram-sha-256 scram-sha-1 cram-md5"},
		{"in clear", all, false, false, "scram-sha-256 scram-sha-1 cram-md5"},
		{"in clear, one that hides the password", "plain login cram-md5", false, false, "cram-md5"},
		{"in clear, none that hides it", "login plain", false, false, "plain login"},
		{"token", all, true, true, "xoauth2 oauthbearer"},
		{"token, one", "plain oauthbearer", true, true, "oauthbearer"},
		{"token, none", "plain cram-md5", false, true, ""},
		{"nothing", "", true, false, ""},
		{"never chosen", "apop external", false, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			offered := func(m Method) bool { return slices.Contains(strings.Fields(tt.offered), string(m)) }
			var got []string
			for _, m := range Order(offered, tt.secure, tt.token) {
				got = append(got, string(m))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %q", got, tt.want)
			}
		})
	}
}

func TestRefusedLast(t *testing.T) {
	t.Parallel()
	methods := []Method{Plain, Login, CRAMMD5}
	got := RefusedLast(methods, func(m Method) bool { return m == Plain })
	if want := []Method{Login, CRAMMD5, Plain}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := []Method{Plain, Login, CRAMMD5}; !slices.Equal(methods, want) {
		t.Errorf("its argument became %v", methods)
	}
}
