package main

import (
	"encoding/json"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestOnceJSON: the summary is an array with an entry for each account, in the
// order of the configuration; one that fails has its error there.
func TestOnceJSON(t *testing.T) {
	t.Parallel()
	src, sink := startPOP3(t, pop3test.Options{}, oneMail), startSMTP(t, smtptest.Options{})
	cfg := writeConfig(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: port, %s, tls: none, username: leo, password: secret}
  - {name: good, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, hostPort(t, nowhere), hostPort(t, src.Addr()), hostPort(t, sink.Addr().String()))
	code, out, errs := popferry(t, "run", "--once", "--json", "--config", cfg)
	var got []map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 75 || len(got) != 2 {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	if got[0]["name"] != "port" || got[0]["last_error"] == "" || got[0]["try_again"] != true {
		t.Errorf("the one that fails: %v", got[0])
	}
	if got[1]["name"] != "good" || got[1]["forwarded"] != 1.0 || got[1]["on_server"] != 1.0 || got[1]["last_error"] != "" || got[1]["try_again"] != false {
		t.Errorf("the good one: %v", got[1])
	}
}
