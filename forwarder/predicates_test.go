package forwarder_test

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

// TestPredicates has the replies of real servers and what each is about.
func TestPredicates(t *testing.T) {
	t.Parallel()
	const auth, mail, rcpt, dot = forwarder.StageAuth, forwarder.StageMail, forwarder.StageRcpt, forwarder.StageDot
	tests := []struct {
		name  string
		stage forwarder.Stage
		code  int
		enh   forwarder.EnhancedCode
		text  string
		want  string
	}{
		{"accepted", dot, 250, forwarder.EnhancedCode{2, 0, 0}, "ok", ""},
		{"greylisted", rcpt, 450, forwarder.EnhancedCode{4, 2, 0}, "", ""},
		{"unknown command", mail, 500, forwarder.EnhancedCode{}, "what?", "OutOfSync AboutSender"},
		{"bad sequence", rcpt, 503, forwarder.EnhancedCode{5, 5, 1}, "", "OutOfSync"},
		{"parameter unknown", rcpt, 504, forwarder.EnhancedCode{5, 5, 4}, "", "OutOfSync"},
		{"syntax of an address", rcpt, 501, forwarder.EnhancedCode{5, 1, 3}, "", "AboutAddress"},
		{"policy with 503", rcpt, 503, forwarder.EnhancedCode{5, 7, 0}, "", "AboutSender"},
		{"system with 502", dot, 502, forwarder.EnhancedCode{5, 3, 3}, "", ""},
		{"550 with subject 5", dot, 550, forwarder.EnhancedCode{5, 5, 2}, "", ""},

		{"552 alone at MAIL", mail, 552, forwarder.EnhancedCode{}, "", "TooLarge AboutContent AboutSender"},
		{"552 alone at RCPT", rcpt, 552, forwarder.EnhancedCode{}, "", "TooLarge AboutContent"},
		{"552 alone at the dot", dot, 552, forwarder.EnhancedCode{}, "", "TooLarge AboutContent"},
		{"552 undefined", dot, 552, forwarder.EnhancedCode{5, 0, 0}, "", "TooLarge AboutContent"},
		{"552 5.3.4", mail, 552, forwarder.EnhancedCode{5, 3, 4}, "", "TooLarge AboutContent"},
		{"554 5.2.3", dot, 554, forwarder.EnhancedCode{5, 2, 3}, "", "TooLarge AboutContent"},
		{"452 4.3.4, for now", mail, 452, forwarder.EnhancedCode{4, 3, 4}, "", "TooLarge"},
		{"552 5.7.0, Gmail's forbidden attachment", dot, 552, forwarder.EnhancedCode{5, 7, 0}, "", "AboutContent AboutSender"},
		{"552 5.6.0", dot, 552, forwarder.EnhancedCode{5, 6, 0}, "", "AboutContent"},
		{"552 5.2.2", rcpt, 552, forwarder.EnhancedCode{5, 2, 2}, "", "NoRoom"},
		{"452 4.2.2", rcpt, 452, forwarder.EnhancedCode{4, 2, 2}, "", "NoRoom"},
		{"452 alone", rcpt, 452, forwarder.EnhancedCode{}, "", ""},

		{"554 5.6.3", dot, 554, forwarder.EnhancedCode{5, 6, 3}, "", "AboutContent"},
		{"555 alone", mail, 555, forwarder.EnhancedCode{}, "", "AboutContent AboutSender"},
		{"SMTPUTF8 needed", rcpt, 553, forwarder.EnhancedCode{5, 6, 7}, "", "AboutAddress"},
		{"unknown user", rcpt, 550, forwarder.EnhancedCode{5, 1, 1}, "", "AboutAddress"},
		{"sender's domain", mail, 550, forwarder.EnhancedCode{5, 1, 8}, "", "AboutSender AboutAddress"},
		{"Postfix refuses the sender at RCPT", rcpt, 550, forwarder.EnhancedCode{}, "Sender address rejected", "AboutSender"},
		{"Gmail, inbox full", rcpt, 452, forwarder.EnhancedCode{4, 2, 2}, "The recipient's inbox is out of storage space", "NoRoom"},
		{"Cyrus, inbox full", dot, 552, forwarder.EnhancedCode{}, "mailbox is over its quota", "NoRoom"},
		{"Exchange, back pressure", mail, 452, forwarder.EnhancedCode{4, 3, 1}, "Insufficient system resources", "NoRoom"},
		{"Postfix, disk full", mail, 452, forwarder.EnhancedCode{4, 3, 1}, "Insufficient system storage", "NoRoom"},
		{"Postfix, too many recipients", rcpt, 452, forwarder.EnhancedCode{4, 5, 3}, "Error: too many recipients", "TooManyRecipients"},
		{"Exim, too many recipients", rcpt, 452, forwarder.EnhancedCode{}, "too many recipients", "TooManyRecipients"},
		{"Office 365, connections", dot, 432, forwarder.EnhancedCode{4, 3, 2}, "Concurrent connections limit exceeded", "Throttled"},
		{"Gmail, rate", mail, 450, forwarder.EnhancedCode{4, 7, 28}, "unusual rate of mail", "AboutSender Throttled"},
		{"Exim, messages in a connection", mail, 421, forwarder.EnhancedCode{}, "too many messages in this connection", "AboutSender Throttled SessionSpent"},
		{"OpenSMTPD, messages in a session", mail, 452, forwarder.EnhancedCode{4, 5, 3}, "Too many recipients: Too many messages sent", "Throttled SessionSpent"},
		{"Amazon SES, messages in a session", mail, 421, forwarder.EnhancedCode{}, "Connection closed by server. Maximum message count per session reached.", "AboutSender SessionSpent"},
		{"a hoster, messages in an hour", mail, 450, forwarder.EnhancedCode{4, 7, 1}, "too many messages, slow down", "AboutSender Throttled"},
		{"Postfix anvil, recipients", rcpt, 450, forwarder.EnhancedCode{4, 7, 1}, "Error: too many recipients, request rate limit", "AboutSender Throttled"},
		{"IMAP, NO without a code", dot, 450, forwarder.EnhancedCode{4, 0, 0}, "NO Append failed", "Unexplained"},
		{"SMTP, 450 without a reason", dot, 450, forwarder.EnhancedCode{4, 0, 0}, "NO", ""},
		{"IMAP, TLS first", forwarder.StageAuth, 530, forwarder.EnhancedCode{5, 7, 10}, "NO [PRIVACYREQUIRED] not in clear", "AboutSender WantsTLS"},
		{"IMAP, the same before the message", forwarder.StageData, 450, forwarder.EnhancedCode{4, 0, 0}, "NO Append failed", ""},
		{"IMAP, Cyrus, a line that is no field", dot, 450, forwarder.EnhancedCode{4, 0, 0}, "NO Message contains invalid header", "Unexplained AboutContent"},
		{"Exchange, IMAP, too large", dot, 450, forwarder.EnhancedCode{}, "NO Maximum size of appendable message has been exceeded", "TooLarge"},
		{"iCloud, IMAP, too large", dot, 552, forwarder.EnhancedCode{5, 3, 4}, "BAD TOOBIG", "TooLarge AboutContent"},
		{"Gmail, IMAP, rate", dot, 451, forwarder.EnhancedCode{4, 3, 0}, "NO [OVERQUOTA] Account exceeded command or bandwidth limits", "Throttled"},
		{"Courier, too large", mail, 534, forwarder.EnhancedCode{}, "SIZE=Message too big.", "TooLarge AboutContent AboutSender"},
		{"aiosmtpd, long line", dot, 500, forwarder.EnhancedCode{}, "Line too long", "AboutContent"},
		{"sendmail, bare CR", dot, 421, forwarder.EnhancedCode{4, 5, 0}, "Bare carriage return (CR) not allowed", "AboutContent"},
		{"Dovecot, no path", mail, 501, forwarder.EnhancedCode{5, 5, 4}, "Invalid FROM: Invalid character in path", "AboutSender"},
		{"MailEnable wants a login", rcpt, 503, forwarder.EnhancedCode{}, "This mail server requires authentication", "WantsLogin"},
		{"Gmail wants TLS", mail, 530, forwarder.EnhancedCode{5, 7, 0}, "Must issue a STARTTLS command first", "AboutSender WantsTLS"},
		{"Postfix does not relay", rcpt, 554, forwarder.EnhancedCode{5, 7, 1}, "<a@b.example>: Relay access denied", "AboutSender NoRelay"},
		{"Spamhaus at RCPT", rcpt, 554, forwarder.EnhancedCode{5, 7, 1}, "Client host blocked using zen.spamhaus.org", "AboutSender Listed"},
		{"Spamhaus about a link", dot, 554, forwarder.EnhancedCode{5, 7, 1}, "a link in it is listed by Spamhaus", "AboutSender"},
		{"Exchange Online, From", dot, 554, forwarder.EnhancedCode{5, 2, 252}, "SendAsDenied", "ForeignFrom"},
		{"Exchange Online, From, in 2020", dot, 554, forwarder.EnhancedCode{5, 2, 0}, "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied", "ForeignFrom"},
		{"Fastmail, From", dot, 551, forwarder.EnhancedCode{5, 7, 1}, "Not authorised to send from this header address", "AboutSender ForeignFrom"},
		{"Yahoo, From", dot, 550, forwarder.EnhancedCode{}, "Request failed; Mailbox unavailable", "ForeignFrom"},
		{"Yahoo, before the message", rcpt, 550, forwarder.EnhancedCode{}, "Request failed; Mailbox unavailable", ""},
		{"Zoho, From", dot, 553, forwarder.EnhancedCode{}, "Relaying disallowed as ada@example.org", "ForeignFrom"},
		{"Zoho, From, in 2026", dot, 553, forwarder.EnhancedCode{}, "Sender is not allowed to relay emails", "AboutSender ForeignFrom"},
		{"Proton Mail Bridge, From", dot, 554, forwarder.EnhancedCode{5, 0, 0}, "Error: transaction failed: invalid return path", "ForeignFrom"},
		{"Yandex, From", dot, 550, forwarder.EnhancedCode{5, 7, 0}, "Sender or From header address rejected: not owned by authorized user", "AboutSender ForeignFrom"},
		{"iCloud, From", dot, 550, forwarder.EnhancedCode{5, 7, 0}, "From address is not one of your addresses", "AboutSender ForeignFrom"},
		{"Exim of a hoster, From", dot, 550, forwarder.EnhancedCode{5, 7, 1}, "Your domain example.org is not allowed in header From", "AboutSender ForeignFrom"},
		{"the same at RCPT, of the envelope", rcpt, 550, forwarder.EnhancedCode{}, "Your domain example.org is not allowed in header From", ""},
		{"Postal, From", dot, 530, forwarder.EnhancedCode{}, "From/Sender name is not valid", "AboutSender WantsLogin ForeignFrom"},
		{"home.pl, From", dot, 550, forwarder.EnhancedCode{}, "Incorrect sender header (Check your FROM)", "AboutSender ForeignFrom"},
		{"Gmail, a message without From", dot, 550, forwarder.EnhancedCode{5, 7, 1}, "Messages missing a valid address in the From: header, or having no From: header, are not accepted", "AboutSender"},
		{"several From headers", dot, 550, forwarder.EnhancedCode{5, 7, 1}, "This message has more than one From header", "AboutSender"},
		{"Postfix refuses the name of the host", rcpt, 504, forwarder.EnhancedCode{5, 5, 2}, "<laptop>: Helo command rejected: need fully-qualified hostname", "RefusesName"},
		{"sendmail refuses it", forwarder.StageHello, 501, forwarder.EnhancedCode{5, 0, 0}, "Invalid domain name", "RefusesName"},
		{"cPanel refuses it", forwarder.StageHello, 550, forwarder.EnhancedCode{}, "Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", "RefusesName"},
		{"EHLO refused for another reason", forwarder.StageHello, 550, forwarder.EnhancedCode{}, "not from you", ""},
		{"Spamhaus about the sender", rcpt, 554, forwarder.EnhancedCode{5, 7, 1}, "Service unavailable; Sender address [a@example.org] blocked using dbl.spamhaus.org", "AboutSender"},
		{"Postfix repeats a sender, rate", rcpt, 450, forwarder.EnhancedCode{4, 1, 8}, "<a@ratelimit.example>: Sender address rejected: Domain not found", "AboutSender AboutAddress"},
		{"Postfix repeats a sender in quotes", rcpt, 450, forwarder.EnhancedCode{4, 1, 8}, `<"a> \" slow down <"@quota.example>: Sender address rejected: Domain not found`, "AboutSender AboutAddress"},
		{"sendmail repeats a sender, list", mail, 553, forwarder.EnhancedCode{5, 1, 8}, "a@blocklist.example... Domain of sender address a@blocklist.example does not exist", "AboutSender AboutAddress"},
		{"a sender in quotes, bare", mail, 553, forwarder.EnhancedCode{5, 1, 8}, `"smtp auth"@example.org... Domain of sender address does not exist`, "AboutSender AboutAddress"},
		{"a sender's domain, rate", mail, 450, forwarder.EnhancedCode{4, 1, 8}, "domain ratelimit.example does not resolve", "AboutSender AboutAddress"},
		{"a sender's domain, list", rcpt, 550, forwarder.EnhancedCode{5, 1, 8}, "domain blocklist.example does not resolve", "AboutSender AboutAddress"},
		{"a file's name, room", dot, 452, forwarder.EnhancedCode{4, 7, 0}, "attachment quota.exe is not taken now", "AboutSender"},
		{"a file's name, room, for good", dot, 552, forwarder.EnhancedCode{5, 7, 0}, "attachment quota.exe is forbidden", "AboutContent AboutSender"},
		{"a subject, From", dot, 554, forwarder.EnhancedCode{5, 7, 1}, `Message "SendAsDenied" rejected`, "AboutSender"},
		{"a subject, rate", dot, 451, forwarder.EnhancedCode{4, 7, 1}, `Message "Too fast" greylisted`, "AboutSender"},
		{"bare line ends in brackets", dot, 550, forwarder.EnhancedCode{5, 0, 0}, "Bare <CR> is not allowed", "AboutContent"},
		{"Exchange has no such method", auth, 504, forwarder.EnhancedCode{5, 7, 4}, "Unrecognized authentication type", "AboutSender RefusesMethod"},
		{"no such command", auth, 502, forwarder.EnhancedCode{5, 5, 1}, "not implemented", "OutOfSync RefusesMethod"},
		{"too weak, RFC 4954", auth, 534, forwarder.EnhancedCode{5, 7, 9}, "Authentication mechanism is too weak", "AboutSender RefusesMethod"},
		{"Postfix has no such method", auth, 535, forwarder.EnhancedCode{5, 7, 8}, "Error: authentication failed: Invalid authentication mechanism", "AboutSender RefusesMethod"},
		{"wrong password", auth, 535, forwarder.EnhancedCode{5, 7, 8}, "Username and Password not accepted", "AboutSender"},
		{"Gmail wants an app password", auth, 534, forwarder.EnhancedCode{5, 7, 9}, "Application-specific password required", "AboutSender"},
		{"policy", auth, 501, forwarder.EnhancedCode{5, 7, 0}, "not from you", "AboutSender"},
		{"not in clear, RFC 4954", auth, 538, forwarder.EnhancedCode{5, 7, 11}, "Encryption required for requested authentication mechanism", "AboutSender WantsTLS"},
		{"a message about a mechanism", dot, 550, forwarder.EnhancedCode{5, 7, 1}, "the mechanism in it is patented", "AboutSender"},
		{"SPF", mail, 550, forwarder.EnhancedCode{5, 7, 23}, "", "AboutSender"},
	}
	predicates := []struct {
		name string
		is   func(forwarder.Outcome) bool
	}{
		{"OutOfSync", forwarder.Outcome.OutOfSync}, {"TooLarge", forwarder.Outcome.TooLarge},
		{"NoRoom", forwarder.Outcome.NoRoom}, {"Unexplained", forwarder.Outcome.Unexplained}, {"AboutContent", forwarder.Outcome.AboutContent},
		{"AboutSender", forwarder.Outcome.AboutSender}, {"AboutAddress", forwarder.Outcome.AboutAddress},
		{"Throttled", forwarder.Outcome.Throttled}, {"SessionSpent", forwarder.Outcome.SessionSpent}, {"TooManyRecipients", forwarder.Outcome.TooManyRecipients},
		{"RefusesName", forwarder.Outcome.RefusesName}, {"RefusesMethod", forwarder.Outcome.RefusesMethod},
		{"WantsLogin", forwarder.Outcome.WantsLogin}, {"WantsTLS", forwarder.Outcome.WantsTLS},
		{"Listed", forwarder.Outcome.Listed}, {"NoRelay", forwarder.Outcome.NoRelay}, {"ForeignFrom", forwarder.Outcome.ForeignFrom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := forwarder.Outcome{Kind: forwarder.Refused, Stage: tt.stage, Code: tt.code, Enhanced: tt.enh, Text: tt.text, Translated: strings.HasPrefix(tt.name, "IMAP,")}
			var got []string
			for _, p := range predicates {
				if p.is(o) {
					got = append(got, p.name)
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s: got %q, want %q", o.Reply(), got, tt.want)
			}
		})
	}
}

// TestNoSuchRecipient has what servers say of an address that they do not have, and of
// what is not about that.
func TestNoSuchRecipient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		stage forwarder.Stage
		code  int
		enh   forwarder.EnhancedCode
		want  bool
	}{
		{"Postfix: unknown in virtual mailbox table", forwarder.StageRcpt, 550, forwarder.EnhancedCode{5, 1, 1}, true},
		{"Exim: 5.1.8 is about the sender", forwarder.StageRcpt, 550, forwarder.EnhancedCode{5, 1, 8}, false},
		{"OpenSMTPD: Invalid recipient: <b@example.org>", forwarder.StageRcpt, 550, forwarder.EnhancedCode{}, true},
		{"OpenSMTPD, virtual: Mailing list expansion problem: <b@example.org>", forwarder.StageRcpt, 524, forwarder.EnhancedCode{5, 2, 4}, true},
		{"OpenSMTPD, for now: Mailing list expansion problem", forwarder.StageRcpt, 424, forwarder.EnhancedCode{4, 2, 4}, false},
		{"the same code for the message", forwarder.StageDot, 554, forwarder.EnhancedCode{5, 2, 4}, false},
	} {
		o := forwarder.Outcome{Kind: forwarder.Refused, Stage: test.stage, Code: test.code, Enhanced: test.enh, Text: test.text}
		if got := o.NoSuchRecipient(); got != test.want {
			t.Errorf("%s: %v, want %v", test.text, got, test.want)
		}
	}
}
