package oauth

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSending: a request that was given up sends no body, whatever has been done for
// it by then; one whose body was begun cannot be given up any more.
func TestSending(t *testing.T) {
	t.Parallel()
	for name, giveUp := range map[string]bool{"given up": true, "sent": false} {
		var s sending
		read := ""
		transport := s.transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			if giveUp && !s.giveUp() {
				t.Errorf("%s: it cannot be given up before its body is read", name)
			}
			octets, err := io.ReadAll(r.Body)
			read = string(octets)
			return &http.Response{Body: http.NoBody}, err
		}))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader("refresh_token=x"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		if giveUp != (err != nil) || giveUp != (read == "") || s.begun() == giveUp || s.giveUp() != giveUp {
			t.Errorf("%s: %q was read (%v), begun: %v", name, read, err, s.begun())
		}
	}
}
