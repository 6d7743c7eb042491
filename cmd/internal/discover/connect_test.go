package discover

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/hellotest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

const firstZone = `good.test. A 127.0.0.1
other.test. A 127.0.0.1
web.test. A 127.0.0.1
`

// towns are servers of several kinds; the DNS names them good.test, other.test
// (which the certificate is not for) and web.test.
type towns struct {
	finder                 *Finder
	pop3s, pop3, stranger  *pop3test.Server
	smtps, smtp            *smtptest.Server
	imaps, imap, cleartext int // ports of IMAP servers; the last has no STARTTLS
	busy                   int // port of an IMAP server that greets with BYE
	web                    int // port of an HTTPS server
}

func newTowns(t *testing.T) *towns {
	t.Helper()
	w := newWorld(t, firstZone, nil)
	config := &tls.Config{Certificates: []tls.Certificate{w.authority.Server("good.test", "web.test")}}
	start := func(o pop3test.Options) *pop3test.Server {
		s := pop3test.NewServer(o)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	serve := func(o smtptest.Options) *smtptest.Server {
		s, err := smtptest.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	return &towns{
		finder:    w.finder(t),
		pop3s:     start(pop3test.Options{TLS: config, ImplicitTLS: true}),
		pop3:      start(pop3test.Options{TLS: config}),
		stranger:  start(pop3test.Options{}),
		smtps:     serve(smtptest.Options{TLS: config, Implicit: true}),
		smtp:      serve(smtptest.Options{TLS: config}),
		imaps:     hellotest.IMAP(t, config, true, "* OK [CAPABILITY IMAP4rev1] ready"),
		imap:      hellotest.IMAP(t, config, false, "* ok ready"),
		cleartext: hellotest.IMAP(t, nil, false, "* PREAUTH welcome"),
		busy:      hellotest.IMAP(t, nil, false, "* BYE too many connections"),
		web:       w.https.Listener.Addr().(*net.TCPAddr).Port,
	}
}

func port(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFirstIsMostTrustedThatAnswers: the most trusted that speaks the protocol, in TLS with a good
// certificate.
func TestFirstIsMostTrustedThatAnswers(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	at := func(host string, port int, mode dial.Mode) Candidate {
		return Candidate{Server: Server{Host: host, Port: port, TLS: mode}}
	}
	pop3s, stls := port(t, w.pop3s.Addr()), port(t, w.pop3.Addr())
	smtps, starttls := port(t, w.smtps.Addr().String()), port(t, w.smtp.Addr().String())
	tests := map[string]struct {
		protocol   Protocol
		candidates []Candidate
		want       int // -1: none
	}{
		"none to try":           {POP3, nil, -1},
		"TLS from the start":    {POP3, []Candidate{at("good.test", pop3s, dial.Implicit)}, 0},
		"STLS":                  {POP3, []Candidate{at("good.test", stls, dial.StartTLS)}, 0},
		"both":                  {POP3, []Candidate{at("good.test", stls, dial.StartTLS), at("good.test", pop3s, dial.Implicit)}, 0},
		"no such name":          {POP3, []Candidate{at("none.test", pop3s, dial.Implicit), at("good.test", pop3s, dial.Implicit)}, 1},
		"a wrong certificate":   {POP3, []Candidate{at("other.test", pop3s, dial.Implicit), at("other.test", stls, dial.StartTLS), at("good.test", stls, dial.StartTLS)}, 2},
		"no TLS":                {POP3, []Candidate{at("good.test", port(t, w.stranger.Addr()), dial.StartTLS)}, -1},
		"the wrong kind of TLS": {POP3, []Candidate{at("good.test", stls, dial.Implicit)}, -1},
		"SMTP is not POP3":      {POP3, []Candidate{at("good.test", smtps, dial.Implicit)}, -1},
		"a web server":          {POP3, []Candidate{at("web.test", w.web, dial.Implicit)}, -1},
		"submission":            {Submission, []Candidate{at("good.test", smtps, dial.Implicit)}, 0},
		"submission, STARTTLS":  {Submission, []Candidate{at("other.test", starttls, dial.StartTLS), at("good.test", starttls, dial.StartTLS)}, 1},
		"IMAP":                  {IMAP, []Candidate{at("good.test", w.imaps, dial.Implicit)}, 0},
		"IMAP, STARTTLS":        {IMAP, []Candidate{at("other.test", w.imap, dial.StartTLS), at("good.test", w.imap, dial.StartTLS)}, 1},
		"IMAP without TLS":      {IMAP, []Candidate{at("good.test", w.cleartext, dial.StartTLS), at("good.test", w.busy, dial.None), at("good.test", w.cleartext, dial.None)}, 2},
		"POP3 is not IMAP":      {IMAP, []Candidate{at("good.test", pop3s, dial.Implicit)}, -1},
		"POP3 is not SMTP":      {Submission, []Candidate{at("good.test", pop3s, dial.Implicit)}, -1},
	}
	t.Run("", func(t *testing.T) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				best, failed, ok := w.finder.First(t.Context(), tt.protocol, tt.candidates)
				want := len(tt.candidates)
				if tt.want >= 0 {
					want = tt.want
				}
				if ok != (tt.want >= 0) || len(failed) != want || ok && best.Server != tt.candidates[tt.want].Server {
					t.Errorf("got %v, %v; failed: %+v", best, ok, failed)
				}
			})
		}
	})
	for _, s := range []*pop3test.Server{w.pop3s, w.pop3, w.stranger} {
		for _, c := range s.Log() {
			if v := c.Verb(); slices.Contains([]string{"USER", "PASS", "AUTH", "APOP"}, v) {
				t.Errorf("a login was tried: %s", v)
			}
		}
	}
}

// TestFirstGivesReasons: who did not answer is named with the reason.
func TestFirstGivesReasons(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	_, failed, _ := w.finder.First(t.Context(), POP3, []Candidate{
		{Server: Server{Host: "other.test", Port: port(t, w.pop3.Addr()), TLS: dial.StartTLS}},
		{Server: Server{Host: "none.test", Port: 995}},
	})
	var certificate *dial.CertificateError
	var connection *dial.Error
	if len(failed) != 2 || !errors.As(failed[0].Err, &certificate) || certificate.Reason != dial.NameMismatch ||
		!errors.As(failed[1].Err, &connection) || connection.Stage != dial.StageName {
		t.Errorf("failed: %+v", failed)
	}
	for _, f := range failed {
		if !strings.Contains(f.Err.Error(), f.Host) {
			t.Errorf("%v does not name %s", f.Err, f.Host)
		}
	}
}
