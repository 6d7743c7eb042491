package cause

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/fetcher/spool"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
)

// TestCatalogue: each code occurs once, and the words have the form that Line
// needs.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := make(map[string]bool)
	for _, e := range append([]entry{{Cause: other}}, catalogue...) {
		if seen[e.Code] || !code.MatchString(e.Code) {
			t.Errorf("code %q, want lower case with underscores, and each once", e.Code)
		}
		seen[e.Code] = true
		if e.What == "" || strings.HasSuffix(e.What, ".") {
			t.Errorf("%s: What is %q, want a phrase without a full stop", e.Code, e.What)
		}
		if e.Remedy != "" && !strings.HasSuffix(e.Remedy, ".") {
			t.Errorf("%s: Remedy is %q, want a sentence with a full stop", e.Code, e.Remedy)
		}
	}
}

// TestSummary: the innermost evidence, once. The full texts of check are in
// cmd/internal/check/testdata/setups.txt.
func TestSummary(t *testing.T) {
	t.Parallel()
	late := &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	refused := func(stage forwarder.Stage, code int, text string) error {
		return &outcome.DestinationError{Name: "main", Outcome: forwarder.Outcome{Kind: forwarder.Refused, Stage: stage, Code: code, Text: text}}
	}
	login := func(token bool, enhanced forwarder.EnhancedCode, text string) error {
		return &outcome.DestinationError{Name: "main", Outcome: forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageAuth, Code: 535, Enhanced: enhanced, Text: text, Token: token}}
	}
	stored := func(err error) error {
		return &outcome.DestinationError{Name: "nas", Outcome: (&maildir.Error{Doing: "looking for", Path: "/mail/new", Err: err}).Outcome()}
	}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"a refused login": {
			&mailbox.Error{Source: "leo at pop.test:995", Step: pop3.StepLogin, Err: &pop3.Error{Command: "PASS", Code: "AUTH", Text: "no."}},
			"credentials: the login was refused: PASS: the server says: -ERR [AUTH] no",
		},
		"a message that breaks the session": {
			&mailbox.Error{Step: mailbox.StepRetr, Err: &pop3.ProtocolError{Command: "UIDL 3", Text: "x"}},
			"message_end: the server sent a message so that its end cannot be recognized: UIDL 3: protocol violation: x",
		},
		"a listing without an end": {
			&mailbox.Error{Step: mailbox.StepListing, Err: &pop3.ProtocolError{Command: "UIDL", Text: "x", Budget: pop3.BudgetListing}},
			"max_listing: the server lists more than max_listing allows: UIDL: protocol violation: x",
		},
		"hung up at the login": {
			&mailbox.Error{Step: pop3.StepLogin, Err: fmt.Errorf("PASS: %w", io.ErrUnexpectedEOF)},
			"hung_up: the server hung up during the login: PASS: unexpected EOF",
		},
		"a token": {login(true, forwarder.EnhancedCode{5, 7, 8}, `Username and Password not accepted. {"status":"400"}`),
			`forward_token: the destination refused the access token: the server says: 535 5.7.8 Username and Password not accepted. {"status":"400"}`},
		"a password": {login(false, forwarder.EnhancedCode{5, 7, 8}, "Username and Password not accepted."),
			"forward_auth: the destination refused the login: the server says: 535 5.7.8 Username and Password not accepted"},
		"a token, and SMTP is off": {login(true, forwarder.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."),
			"forward_auth_off: SMTP logins are switched off for this mailbox: the server says: 535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant"},
		"a password where only tokens are": {login(false, forwarder.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, basic authentication is disabled."),
			"forward_oauth_needed: the destination accepts only OAuth2, not passwords: the server says: 535 5.7.139 Authentication unsuccessful, basic authentication is disabled"},
		"a rule of the organization": {login(true, forwarder.EnhancedCode{5, 7, 139}, "Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully."),
			"forward_auth_policy: the rules of the mailbox's organization do not allow this login: the server says: 535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully"},
		"port 25":        {&dial.Error{Stage: dial.StageConnect, Addr: "mx.test:25", Err: late}, "port25: no answer from port 25: i/o timeout"},
		"another port":   {&dial.Error{Stage: dial.StageConnect, Addr: "mx.test:2525", Err: late}, "connect: cannot connect: i/o timeout"},
		"not TLS":        {&dial.Error{Stage: dial.StageTLS, Err: dial.ErrNotTLS}, "not_tls: the server does not speak TLS on this port"},
		"no cipher":      {&dial.Error{Stage: dial.StageTLS, Err: fmt.Errorf("%w: %w", dial.ErrNoCipher, errors.New("remote error: tls: handshake failure"))}, "tls_ciphers: no cipher suite that both sides support: remote error: tls: handshake failure"},
		"short RSA key":  {&dial.Error{Stage: dial.StageCertificate, Err: &dial.UnusableCertificateError{Err: errors.New("crypto/rsa: 512-bit keys are insecure")}}, "cert_key: the server's certificate has a key that is too short: crypto/rsa: 512-bit keys are insecure"},
		"other defects":  {&dial.Error{Stage: dial.StageCertificate, Err: &dial.UnusableCertificateError{Err: errors.New("x509: malformed certificate")}}, "cert_unusable: the server's certificate cannot be used: x509: malformed certificate"},
		"a full mailbox": {refused(forwarder.StageRcpt, 552, "full"), "recipient: the destination refuses the recipient: the server says: 552 full"},
		"an odd sender":  {refused(forwarder.StageMail, 553, "no"), "sender: the destination refuses the sender: the server says: 553 no"},
		"nothing known":  {errors.New("x"), "other: unexpected error: x"},
		"of a message":   {&outcome.MessageError{Outcome: forwarder.Outcome{Kind: forwarder.Impossible, Code: 554, Text: "8 bit"}}, "unsuited: the destination cannot accept this message: 8 bit"},
		"a false end":    {&outcome.MessageError{Outcome: forwarder.Outcome{Kind: forwarder.Impossible, Code: 554, Enhanced: forwarder.EnhancedCode{5, 6, 0}, Text: "a dot"}}, "false_end: the message could end early at the destination, and what follows be taken for commands: a dot"},
		"an attachment":  {&outcome.MessageError{Outcome: forwarder.Outcome{Kind: forwarder.Refused, Stage: forwarder.StageDot, Code: 552, Enhanced: forwarder.EnhancedCode{5, 7, 0}, Text: "blocked"}}, "refused: the destination refused this message: the server says: 552 5.7.0 blocked"},
		"too large":      {&outcome.MessageError{Outcome: forwarder.Outcome{Kind: forwarder.Refused, Stage: forwarder.StageDot, Code: 552, Text: "too big"}}, "forward_size: the message is larger than the destination accepts: the server says: 552 too big"},
		"a full disk":    {&spool.Error{Op: "writing", Dir: "/s", Err: syscall.ENOSPC}, "disk_full: the disk is full: writing in /s: no space left on device"},
		"no room for copies": {&retained.Error{Op: "keeping the copy of a message", Dir: "/db.kept", Err: syscall.ENOSPC},
			"copies_full: the disk with the retained copies is full: keeping the copy of a message in /db.kept: no space left on device"},
		"copies": {&retained.Error{Op: "keeping the copy of a message", Dir: "/db.kept", Err: fs.ErrPermission},
			"copies: the copy of a message that its server gives only once cannot be kept or read: keeping the copy of a message in /db.kept: permission denied"},
		"no Maildir":       {stored(fs.ErrNotExist), "folder_missing: the destination's folder is not there: looking for /mail/new: file does not exist"},
		"not ours":         {stored(syscall.EACCES), "folder_access: popferry may not write to the destination's folder: looking for /mail/new: permission denied; let popferry's user read and write there, or choose another folder"},
		"a broken disk":    {stored(syscall.EIO), "folder: the destination's folder cannot be used: looking for /mail/new: input/output error; look for disk errors in the system's log"},
		"no room there":    {stored(syscall.EDQUOT), "folder_full: the disk of the destination's folder is full: looking for /mail/new: disk quota exceeded; free some space, or raise the quota"},
		"no room for one":  {&outcome.MessageError{Outcome: (&maildir.Error{Doing: "writing", Path: "/mail/tmp/a", Err: syscall.ENOSPC}).Outcome()}, "folder_full: the disk of the destination's folder is full: writing /mail/tmp/a: no space left on device; free some space, or raise the quota"},
		"a file too large": {&outcome.MessageError{Outcome: (&maildir.Error{Doing: "writing", Path: "/mail/tmp/a", Err: syscall.EFBIG}).Outcome()}, "forward_size: the message is larger than the destination accepts: writing /mail/tmp/a: file too large"},
		"perhaps stored":   {&outcome.MessageError{Outcome: (&maildir.Error{Doing: "syncing the folder", Path: "/mail/new", Err: syscall.EIO, Placed: true}).Outcome()}, "in_doubt: unclear whether the message was accepted: syncing the folder /mail/new: input/output error; look for disk errors in the system's log"},
		"the quarantine":   {&maildir.Error{Doing: "looking for", Path: "/q/new", Err: syscall.EIO}, "quarantine: cannot write a refused message to the quarantine: looking for /q/new: input/output error; look for disk errors in the system's log"},
		"no reply":         {&outcome.MessageError{Outcome: forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: io.ErrUnexpectedEOF}}, "in_doubt: unclear whether the message was accepted: unexpected EOF"},
		"held for that":    {&outcome.MessageError{Outcome: forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: io.ErrUnexpectedEOF}, Held: true}, "in_doubt_held: three times in a row unclear whether the message was accepted: unexpected EOF"},
		"several at once":  {errors.Join(errors.New("x"), errors.New("y")), "other: unexpected error: x; y"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Of(tt.err).Code + ": " + Summary(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
