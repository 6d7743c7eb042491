package main

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/proxytest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// A proxy that dies in the middle of a message takes nothing with it: no part of the
// message arrives, it stays on its server, and comes whole and once when the proxy is back.
func TestProxyThatDiesInTheMiddleOfAMessage(t *testing.T) {
	t.Parallel()
	large := "Subject: large\r\nMessage-ID: <large@example.org>\r\n\r\n" + strings.Repeat("a line of forty octets, and a bit more.\r\n", 10_000)
	for _, http := range []bool{false, true} {
		for _, side := range []string{"POP3", "SMTP"} {
			t.Run(fmt.Sprintf("%s, HTTP %t", side, http), func(t *testing.T) {
				t.Parallel()
				pop := testworld.POP3(t, pop3test.Options{}, large)
				sink := testworld.SMTP(t, smtptest.Options{})
				servers := map[string]string{pop.Addr(): pop.Addr(), sink.Addr().String(): sink.Addr().String()}
				proxy := proxytest.Start(t, proxytest.Options{HTTP: http, Servers: servers, Dies: int64(len(large) / 2)})
				through := (&url.URL{Scheme: map[bool]string{false: "socks5", true: "http"}[http], Host: fmt.Sprintf("%s:%d", proxy.Host, proxy.Port)}).String()
				keys := map[string]string{side: ", proxy: " + fmt.Sprintf("%q", through)}
				cfg := testworld.Config(t, `
state: %q
accounts: [{name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false, timeout: 10s%s}]
forward: [{name: main, %s, tls: none, from: me@example.org, to: [me@example.org], timeout: 10s%s}]
`, filepath.Join(t.TempDir(), "popferry.db"), testworld.HostPort(t, pop.Addr()), keys["POP3"], testworld.HostPort(t, sink.Addr().String()), keys["SMTP"])
				code, out, errs := popferry(t, "run", "--once", "--verbose", "--config", cfg)
				if code != exitAgain || !proxy.Dead() {
					t.Errorf("got exit %d, the proxy is dead: %t; want %d and true\n%s%s", code, proxy.Dead(), exitAgain, out, errs)
				}
				if n, m := len(sink.Messages()), len(pop.Messages("leo")); n != 0 || m != 1 {
					t.Errorf("%d messages have arrived and %d are on their server, want none and 1\n%s", n, m, errs)
				}
				proxy.Revive()
				if code, out, errs = popferry(t, "run", "--once", "--now", "--verbose", "--config", cfg); code != exitOK {
					t.Errorf("with the proxy again: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
				}
				arrived := sink.Messages()
				if len(arrived) != 1 || !bytes.HasSuffix(arrived[0].Data, []byte(large)) || len(pop.Messages("leo")) != 0 {
					t.Errorf("%d messages have arrived, and %d are on their server; want the one, whole, and none\n%s", len(arrived), len(pop.Messages("leo")), errs)
				}
			})
		}
	}
}
