package imap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
)

// Parts of scripts.
const (
	hello  = "S: * OK [CAPABILITY IMAP4rev1] hi\n"
	entry  = "C: a1 LOGIN \"leo\" \"geheim123\"\n S: a1 OK in\n C: a2 CAPABILITY\n S: * CAPABILITY IMAP4rev1\n S: a2 OK done\n"
	status = "C: a3 LIST \"\" \"\"\n S: * LIST (\\Noselect) \"/\" \"\"\n S: a3 OK done\n" +
		"C: a4 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: * STATUS INBOX (UIDVALIDITY 6 UIDNEXT 100)\n S: a4 OK done\n"
	start   = hello + entry + status
	command = "C: a5 APPEND \"INBOX\" {4}\n"
	body    = "S: + go\n C: hi\\r\\n\n"
	gone    = hello + entry + "C: a3 LIST \"\" \"\"\n"
	bye     = "C: a6 LOGOUT\n C!\n"
)

// TestScripts: what servers can say at each point of an APPEND of "hi".
func TestScripts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		scripts string // of the connections, divided by a line with "and"
		want    string
		took    time.Duration // about
	}{
		"accepted":                     {start + command + "C-\n" + body + "S: a5 OK\n" + bye, "accepted dot 250 2.0.0 OK", time.Second},
		"APPENDUID":                    {start + command + body + "S: a5 OK [APPENDUID 6 100] stored\n" + bye, "accepted dot 250 2.0.0 OK [APPENDUID 6 100] stored", 0},
		"a malformed APPENDUID":        {start + command + body + "S: a5 OK [APPENDUID x] stored\n" + bye, "accepted dot 250 2.0.0 OK [APPENDUID x] stored", 0},
		"a code without an end":        {start + command + body + "S: a5 OK [APPENDUID 6 100 stored\n" + bye, "accepted dot 250 2.0.0 OK [APPENDUID 6 100 stored", 0},
		"chatter":                      {start + command + "S: * OK still here\n S: * 3 EXISTS\n" + body + "S: * 4 EXISTS\n S: * FLAGS (\\Seen)\n S: * WHAT \"(\n S: a5 OK\n" + bye, "accepted dot 250 2.0.0 OK", 0},
		"a literal in what is said":    {start + command + body + "S: * 3 FETCH (BODY[] {10}\n S: a5 OK no\n S: )\n S: a5 OK\n" + bye, "accepted dot 250 2.0.0 OK", 0},
		"a text like a literal":        {start + command + body + "S: a5 OK stored {5}\n" + bye, "accepted dot 250 2.0.0 OK stored {5}", 0},
		"BYE before the request":       {start + command + "S: * BYE [UNAVAILABLE] later\n", "refused data 421 4.3.0 BYE [UNAVAILABLE] later", 0},
		"BYE for too many connections": {start + command + "S: * BYE Too many simultaneous connections\n", "refused data 421 4.3.2 BYE Too many simultaneous connections", 0},
		"cut before the request":       {start + command, "broken data unexpected EOF", 0},
		"BYE behind the message":       {start + command + body + "S: * BYE Session expired\n", "in doubt dot unexpected EOF, after the server said BYE Session expired", 0},
		"cut behind the message":       {start + command + body, "in doubt dot unexpected EOF", 0},
		"half an answer":               {start + command + body + "S~ a5 OK sto\n", "in doubt dot unexpected EOF", 0},
		"an answer without a line end": {start + command + body + "S~ a5 OK stored\n", "in doubt dot unexpected EOF", 0},
		"OK before the message":        {start + command + "S: a5 OK\n C!\n", `broken data protocol violation: the server accepts a message that was not sent yet: "OK"`, 0},
		"asked twice":                  {start + command + body + "S: + go\n C!\n", "in doubt dot protocol violation: the server asks for more, and nothing was announced to it", 0},
		"another tag":                  {start + command + body + "S: a7 OK\n C!\n", `in doubt dot protocol violation: an answer to "a7", which was not sent`, 0},
		"an old tag":                   {start + command + body + "S: a4 OK\n C!\n", `in doubt dot protocol violation: an answer to "a4", which was not sent`, 0},
		"no status":                    {start + command + body + "S: a5 FINE\n C!\n", `in doubt dot protocol violation: "a5 FINE" is not a response`, 0},
		"the password, no status":      {start + command + body + "S: leo geheim123 is known\n C!\n", `in doubt dot protocol violation: "leo *** is known" is not a response`, 0},
		"the password as a literal":    {start + command + body + "S: * X {Geheim123\n C!\n", `in doubt dot protocol violation: "{***" is not a literal`, 0},
		"the password at STATUS":       {gone + "S: a3 OK\n C: a4 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: geheim123 geheim123\n C!\n", `broken rcpt protocol violation: "*** ***" is not a response`, 0},
		"silence instead of a request": {start + command + "S-\n", "broken data read pipe: i/o timeout", 5 * time.Minute},
		"silence behind the message":   {start + command + body + "S-\n", "in doubt dot read pipe: i/o timeout", 10 * time.Minute},
		"silence at the greeting":      {"S-\n", "unusable greeting read pipe: i/o timeout", 5 * time.Minute},
		"silence at LIST":              {gone + "S-\n", "broken rcpt read pipe: i/o timeout", 5 * time.Minute},
		"silence at STATUS":            {gone + "S: a3 OK\n C: a4 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S-\n", "broken rcpt read pipe: i/o timeout", 5 * time.Minute},
		"silence at the login":         {hello + "C: a1 LOGIN \"leo\" \"geheim123\"\n S-\n", "unusable auth read pipe: i/o timeout", 5 * time.Minute},
		"silence at the capabilities":  {"S: * OK hi\n C: a1 CAPABILITY\n S-\n", "unusable ehlo read pipe: i/o timeout", 5 * time.Minute},
		"a message that is not read":   {start + command + "S: + go\n S-\n", "broken body write pipe: i/o timeout", 5 * time.Minute},
		"a line without an end":        {start + command + body + "S! 300000\n", "in doubt dot protocol violation: a response of more than 262144 octets, which is the limit", 0},
		"a greeting without an end":    {"S! 300000\n", "unusable greeting protocol violation: a response of more than 262144 octets, which is the limit", 0},
		"deep lists":                   {start + command + body + "S: * X " + strings.Repeat("(", 40) + "\n C!\n", "in doubt dot protocol violation: lists nested more than 16 deep, which is the limit", 0},
		"a literal too large to be":    {start + command + body + "S: * X {99999999999}\n C!\n", `in doubt dot protocol violation: "{99999999999}" is not a literal`, 0},
		"SMTP":                         {"S: 220 mx ESMTP\n C!\n", `unusable greeting protocol violation: "220 mx ESMTP" is not a response`, 0},
		"POP3":                         {"S: +OK ready\n C!\n", `unusable greeting protocol violation: "+OK ready" is not a response`, 0},
		"HTTP":                         {"S: * 3 EXISTS\n C!\n", `unusable greeting protocol violation: "EXISTS" is not a greeting of IMAP`, 0},
		"greeted by BYE":               {"S: * BYE Too many connections\n C!\n", "unusable greeting 421 4.3.2 BYE Too many connections", 0},
		"BYE at the login":             {hello + "C: a1 LOGIN \"leo\" \"geheim123\"\n S: * BYE go away\n", "unusable auth 421 4.0.0 BYE go away", 0},
		"PREAUTH": {"S: * PREAUTH hi\n C: a1 CAPABILITY\n S: * CAPABILITY IMAP4rev1\n S: a1 OK done\n C: a2 LIST \"\" \"\"\n S: * LIST () \"/\" \"\"\n S: a2 OK\n" +
			"C: a3 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: a3 OK\n C: a4 APPEND \"INBOX\" {4}\n" + body + "S: a4 OK\n C: a5 LOGOUT\n C!\n", "accepted dot 250 2.0.0 OK", 0},
		"gone at STATUS":      {gone + "and\n" + gone + "and\n" + gone, "broken rcpt unexpected EOF", 0},
		"gone at STATUS once": {gone + "and\n" + start + command + body + "S: a5 OK\n" + bye, "accepted dot 250 2.0.0 OK", 0},
		"no UIDNEXT":          {hello + entry + "C: a3 LIST \"\" \"\"\n S: a3 BAD what?\n C: a4 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: a4 OK\n" + command + body + "S: a5 OK\n" + bye, "accepted dot 250 2.0.0 OK", 0},
		"no such folder": {hello + entry + "C: a3 LIST \"\" \"\"\n S: a3 OK\n C: a4 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: a4 NO Mailbox doesn't exist\n C: a5 LOGOUT\n C!\n",
			"refused rcpt 550 5.1.1 NO Mailbox doesn't exist", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := &peer{t: t, scripts: strings.Split(tt.scripts, "and\n")}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123")})
				began := time.Now()
				wantOutcome(t, p, message("hi\r\n"), tt.want)
				if took := time.Since(began); (took - tt.took).Abs() > 2*time.Second {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestCancelled: whatever a delivery waits for, it ends with its context. Nothing
// but the last octet puts the message in doubt.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script string
		kind   forwarder.Kind // 0: an error
	}{
		"at the greeting": {"S-\n", 0},
		"at the login":    {hello + "C: a1 LOGIN \"leo\" \"geheim123\"\n S-\n", 0},
		"at STATUS":       {hello + entry + "C: a3 LIST \"\" \"\"\n S-\n", 0},
		"at APPEND":       {start + command + "S-\n", forwarder.Broken},
		"at the message":  {start + command + "S: + go\n S-\n", forwarder.Broken},
		"at the answer":   {start + command + body + "S-\n", forwarder.InDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := &peer{t: t, scripts: []string{tt.script}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123")})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				o, _, err := deliver(ctx, p, message("hi\r\n"))
				if o.Kind != tt.kind || (err != nil) != (tt.kind == 0) {
					t.Errorf("got %v and %v, want %v", describe(o), err, tt.kind)
				}
				if cause := errors.Join(err, o.Err); !errors.Is(cause, ctx.Err()) {
					t.Errorf("got %v, want %v", cause, ctx.Err())
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}
