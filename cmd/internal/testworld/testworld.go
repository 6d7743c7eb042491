// Package testworld is what the tests of popferry's commands share: servers in
// memory, configurations between them, and output to wait for.
package testworld

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// OneMail is a small message.
const OneMail = "Subject: one\r\nMessage-ID: <one@example.org>\r\n\r\none\r\n"

// Mail returns n messages that differ.
func Mail(n int) (mail []string) {
	for i := range n {
		mail = append(mail, fmt.Sprintf("From: %[1]d@example.org\r\nSubject: about %[1]d\r\nMessage-ID: <%[1]d@example.org>\r\n\r\n.%[1]d\r\n", i+1))
	}
	return mail
}

// POP3 starts a server that has this mail for leo, and the same for zoe, with
// the UIDs uid-1, uid-2 and so on. Both have the password "secret".
func POP3(tb testing.TB, o pop3test.Options, mail ...string) *pop3test.Server {
	tb.Helper()
	o.Users = map[string]string{"leo": "secret", "zoe": "secret"}
	s := pop3test.NewServer(o)
	if err := s.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	for i, text := range mail {
		m := pop3test.Message{UID: fmt.Sprintf("uid-%d", i+1), Octets: []byte(text)}
		s.Add("leo", m)
		s.Add("zoe", m)
	}
	return s
}

// SMTP starts a server.
func SMTP(tb testing.TB, o smtptest.Options) *smtptest.Server {
	tb.Helper()
	s, err := smtptest.Start(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// HostPort writes an address as a configuration has it.
func HostPort(tb testing.TB, addr string) string {
	tb.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("host: %q, port: %s", host, port)
}

// Config writes a configuration into a new folder and returns its path.
func Config(tb testing.TB, format string, args ...any) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "popferry.yaml")
	Write(tb, path, fmt.Sprintf(format, args...))
	return path
}

// Write writes a file.
func Write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// WaitFor waits until a condition holds, three minutes at most: usually it does
// soon, but not on a machine that is busy with more than this.
func WaitFor(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			tb.Fatalf("no %s within three minutes", what)
		}
	}
}

// Refusing refuses logins, after which an account backs off for ten minutes,
// until well is set.
func Refusing(well *atomic.Bool) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, _ string) bool {
		if verb != "PASS" && verb != "AUTH" && verb != "APOP" || well.Load() {
			return false
		}
		s.Write("-ERR [AUTH] no\r\n")
		return true
	}
}

// Request gets a page, or sends a form if that is not nil, and returns the
// status and the body; 0 and the error if there is no answer.
func Request(tb testing.TB, page string, form url.Values, password string) (int, string) {
	tb.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(tb.Context(), method, page, strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Close = true
	if password != "" {
		r.SetBasicAuth("", password)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// Output is what was written so far. It is safe for concurrent use.
type Output struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

// String returns what was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
