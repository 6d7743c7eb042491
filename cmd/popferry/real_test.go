package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// letter is a message of about size octets, with everything that mail can have
// except what Postfix changes: bare CRs and NULs, lines above 998 octets.
func letter(user string, n, size int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), uint64(size))) //nolint:gosec // the same each time
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <sender%d@example.org>\r\nReceived: from a.example by b.example; Sun, 22 Nov 2026 08:00:00 +0000\r\n"+
		"From: sender%[1]d@example.org\r\nTo: %s@isp.test\r\nSubject: =?utf-8?q?n=C2=B0?= %[1]d\r\n"+
		"Message-ID: <%s.%[1]d@example.org>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\n.starts with a dot\r\n.\r\n..\r\nKöln\r\n", n, user, user)
	line := make([]byte, 900)
	for b.Len() < size {
		k := 1 + r.IntN(len(line))
		for i := range line[:k] {
			line[i] = "abcdefghijklmnopqrstuvwxyz .,"[r.IntN(29)]
		}
		b.Write(line[:k])
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// fingerprints counts messages by the SHA-256 of what stands below popferry's
// trace lines.
func fingerprints(t *testing.T, delivered iter.Seq[[]byte]) map[[32]byte]int {
	t.Helper()
	got := make(map[[32]byte]int)
	for m := range delivered {
		_, below, ok := bytes.Cut(m, []byte("\r\nX-Popferry-Trace: "))
		_, below, _ = bytes.Cut(below, []byte("\r\n"))
		if !ok || !bytes.HasPrefix(m, []byte("Received: from ")) {
			t.Errorf("got %.200q, want trace lines on top", m)
		}
		got[sha256.Sum256(below)]++
	}
	return got
}

// expected is the fingerprint of a letter without its Return-Path line.
func expected(letter []byte) [32]byte {
	_, rest, _ := bytes.Cut(letter, []byte("\r\n"))
	return sha256.Sum256(rest)
}

// The main job: three mailboxes with 500 messages of 1 kB to 25 MB (one kept, one
// emptied, one kept for 14 days) into one inbox of Postfix behind STARTTLS and a
// login.
func TestThreeMailboxesIntoOneInbox(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	p := realserver.StartPostfix(t, d)
	p.AddUser("inbox", "in:box")
	want := make(map[[32]byte]int)
	for i, user := range []string{"keep", "delete", "days"} {
		d.AddUser(user, "secret")
		for n := range []int{200, 200, 100}[i] {
			size := 1000 + n*n%40_000
			if n == 7 {
				size = []int{25 << 20, 5 << 20, 1 << 20}[i]
			}
			m := letter(user, n, size)
			want[expected(m)]++
			d.Seed(user, m)
		}
	}
	cfg := testworld.Config(t, `
log: {level: warn}
accounts:
  - {name: keep, %[1]s, tls: implicit, tls_ca_file: %[3]q, username: keep, password: secret}
  - {name: delete, %[2]s, tls: starttls, tls_ca_file: %[3]q, username: delete, password: secret, leave_on_server: false}
  - {name: days, %[1]s, tls: implicit, tls_ca_file: %[3]q, username: days, password: secret, leave_on_server: 14d}
forward:
  - {%[4]s, tls: starttls, tls_ca_file: %[5]q, username: inbox, password: "in:box", from: inbox@popferry.test, to: [inbox@popferry.test]}
state: popferry.db
`, testworld.HostPort(t, d.POP3S()), testworld.HostPort(t, d.POP3()), d.CAFile(), testworld.HostPort(t, p.Submission()), p.CAFile())

	code, out, errs := popferry(t, "run", "--once", "--config", cfg)
	if code != 0 || !strings.Contains(out, "keep: 200 forwarded, 0 held, 0 deferred, 0 skipped, 200 on server") ||
		!strings.Contains(out, "delete: 200 forwarded, 0 held, 0 deferred, 0 skipped, 0 on server") {
		t.Fatalf("got exit %d, want %d with 200 forwarded each\n%s%s", code, exitOK, out, errs)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.WaitDelivered(ctx, "inbox", 500); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = popferry(t, "run", "--once", "--verbose", "--config", cfg); code != 0 || strings.Count(out, ": 0 forwarded") != 3 {
		t.Errorf("second poll: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	got := fingerprints(t, p.Delivered("inbox"))
	missing, twice := 0, 0
	for sum, n := range want {
		missing += max(0, n-got[sum])
		twice += max(0, got[sum]-n)
	}
	if missing > 0 || twice > 0 || len(got) != len(want) {
		t.Errorf("%d messages missing or changed, %d came twice, %d different ones; want 0, 0, %d", missing, twice, len(got), len(want))
	}
	for user, n := range map[string]int{"keep": 200, "delete": 0, "days": 100} {
		if left := d.Count(user); left != n {
			t.Errorf("%s: %d left on the server, want %d", user, left, n)
		}
	}
	checkMessages(t, cfg)
}

// checkMessages compares messages --json and status --json with what happened.
func checkMessages(t *testing.T, cfg string) {
	t.Helper()
	_, out, errs := popferry(t, "messages", "--json", "--config", cfg)
	var list []report.MessageStatus
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err, errs)
	}
	count := make(map[string]int)
	for _, m := range list {
		count[fmt.Sprintf("%s %s deleted=%v", m.Account, m.State, m.DeletedAt != nil)]++
		if m.ForwardedAt == nil || m.FirstSeen == nil || m.MessageID == "" || m.Attempts != 1 {
			t.Fatalf("got %+v, want a message seen and forwarded at the first attempt", m)
		}
	}
	want := map[string]int{"keep forwarded deleted=false": 200, "delete forwarded deleted=true": 200, "days forwarded deleted=false": 100}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("messages: %v, want %v", count, want)
	}
	var status struct{ Accounts []report.AccountStatus }
	_, out, errs = popferry(t, "status", "--json", "--config", cfg)
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatal(err, errs)
	}
	for _, a := range status.Accounts {
		if a.LastSuccess == nil || a.Failures != 0 || a.Forwarded == 0 || a.LastError != "" {
			t.Errorf("got %+v, want a success with mail forwarded", a)
		}
	}
}

// Mail goes to Dovecot's LMTP through a Unix socket, with the original senders.
func TestLMTPKeepsTheSenders(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	d.AddUser("isp", "secret")
	d.AddUser("inbox", "secret")
	d.AddUser("copy", "secret")
	want := make(map[[32]byte]int)
	for n := range 20 {
		m := letter("isp", n, 5000)
		want[expected(m)]++
		d.Seed("isp", m)
	}
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: implicit, tls_ca_file: %q, username: isp, password: secret, leave_on_server: false}
forward:
  - {host: "unix:%s", protocol: lmtp, to: [inbox, copy]}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), d.LMTPSocket())
	code, out, errs := popferry(t, "run", "--once", "--config", cfg)
	if code != 0 || !strings.Contains(out, "isp: 20 forwarded, 0 held, 0 deferred, 0 skipped, 0 on server") {
		t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	for _, user := range []string{"inbox", "copy"} {
		if got := fingerprints(t, d.Delivered(user)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %d kinds of messages, want %d", user, len(got), len(want))
		}
	}
}

// Mail that could not be forwarded while the destination was down is forwarded
// when it is back: nothing is lost, nothing comes twice.
func TestServerOutageLosesNothing(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	p := realserver.StartPostfix(t, d)
	p.AddUser("inbox", "secret")
	d.AddUser("isp", "secret")
	for n := range 10 {
		d.Seed("isp", letter("isp", n, 2000))
	}
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: implicit, tls_ca_file: %q, username: isp, password: secret, leave_on_server: false}
forward:
  - {name: inbox, %s, tls: none, to: [inbox@popferry.test], from: inbox@popferry.test}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), testworld.HostPort(t, p.SMTP()))
	p.Stop()
	code, _, errs := popferry(t, "run", "--once", "--config", cfg)
	if code != 75 || !strings.Contains(errs, "isp: nothing listens on this port") || !strings.Contains(errs, "Check host and port") || d.Count("isp") != 10 {
		t.Errorf("got exit %d, %d left; want %d, 10\n%s", code, d.Count("isp"), 75, errs)
	}
	p.Start()
	if code, _, errs = popferry(t, "run", "--once", "--verbose", "--config", cfg); code != 75 || !strings.Contains(errs, "--now") {
		t.Errorf("it does not back off: got exit %d, want %d\n%s", code, exitAgain, errs)
	}
	d.Stop()
	if code, _, errs = popferry(t, "run", "--once", "--now", "--config", cfg); code != 75 || !strings.Contains(errs, "isp: nothing listens on this port") {
		t.Errorf("got exit %d, want %d\n%s", code, exitAgain, errs)
	}
	d.Start()
	code, out, errs := popferry(t, "run", "--once", "--now", "--config", cfg)
	if code != 0 || !strings.Contains(out, "isp: 10 forwarded") || d.Count("isp") != 0 {
		t.Errorf("got exit %d, %d left; want 0, 0\n%s%s", code, d.Count("isp"), out, errs)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.WaitDelivered(ctx, "inbox", 10); err != nil || p.Count("inbox") != 10 {
		t.Errorf("%v, %d delivered, want 10", err, p.Count("inbox"))
	}
}

// zeros is a large message that takes no memory.
func zeros(w io.Writer, size int) error {
	if _, err := io.WriteString(w, "Message-ID: <large@example.org>\r\nSubject: large\r\n\r\n"); err != nil {
		return err
	}
	line := []byte(strings.Repeat("0", 76) + "\r\n")
	block := bytes.Repeat(line, 1000)
	for n := 0; n < size; n += len(block) {
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return nil
}
