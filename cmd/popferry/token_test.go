package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestTokenEnds: who logs in with a token of a command that says when it ends
// has that in the metrics; others have no such line, and nobody shows the token.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	src := startPOP3(t, pop3test.Options{SASL: map[string]pop3test.Mechanism{
		"XOAUTH2": func(_ *pop3test.Session, initial []byte, _ func([]byte) ([]byte, error)) (string, error) {
			if !strings.Contains(string(initial), "auth=Bearer t0ken\x01") {
				return "", errors.New("[AUTH] wrong token")
			}
			return "leo", nil
		},
	}}, oneMail)
	sink := startSMTP(t, smtptest.Options{})
	cfg := writeConfig(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: json, %s, tls: none, username: leo, token_command: "echo '{\"access_token\": \"t0ken\", \"expires_in\": 3600}'"}
  - {name: plain, %[1]s, tls: none, username: leo@example.org, token_command: "echo t0ken"}
forward:
  - {%[2]s, tls: none, from: me@example.org, to: [me@example.org]}
`, hostPort(t, src.Addr()), hostPort(t, sink.Addr().String()))
	file := filepath.Join(filepath.Dir(cfg), "popferry.prom")
	before := time.Now()
	if code, out, errs := popferry(t, "run", "--once", "--metrics-file", file, "--config", cfg); code != exitOK || strings.Contains(out+errs, "t0ken") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^popferry_token_expiry_timestamp_seconds\{account="(.*)"\} (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) != 1 || lines[0][1] != "json" {
		t.Fatalf("it is told of %q", lines)
	}
	seconds, err := strconv.ParseFloat(lines[0][2], 64)
	if ends := time.UnixMilli(int64(seconds * 1000)); err != nil || ends.Before(before.Add(59*time.Minute)) || ends.After(time.Now().Add(61*time.Minute)) {
		t.Errorf("the token ends at %s, %v", ends, err)
	}
}
