package forwarder

import (
	"slices"
	"strings"
)

// The phrases of real servers, in lower case, for replies whose codes (RFC 3463,
// RFC 5248) do not say enough. A server or two that use each are named.
var (
	noRoomPhrases = []string{
		"quota",                        // Dovecot, Zimbra: Quota exceeded (mailbox for user is full)
		"mailbox is full",              // Cyrus, Exchange
		"mailbox full",                 // OpenSMTPD, Yahoo
		"mailbox is over",              // Cyrus: mailbox is over its storage limit
		"out of storage space",         // Gmail: 452 4.2.2 The recipient's inbox is out of storage space
		"insufficient system storage",  // RFC 5321 4.2.3, Postfix, Exim
		"insufficient system resource", // Exchange: 452 4.3.1 (back pressure)
		"insufficient disk space",      // Courier, qmail
		"not enough space",             // Exim
		"no space left",                // ENOSPC as many servers pass it on
		"disk full",
	}
	throttledPhrases = []string{
		"too many connections",   // Postfix anvil, Dovecot, Yahoo
		"concurrent connections", // Office 365: 432 4.3.2 Concurrent connections limit exceeded
		"connection limit",       // Exim: too many concurrent SMTP connections; hosters
		"connections limit",
		"maximum number of connections", // Dovecot, Courier
		"too many concurrent",           // Exim
		"rate limit",                    // Exim, Mailgun, Amazon SES
		"ratelimit",                     // Exim ACLs
		"maximum sending rate",
		"too many messages",       // hosters: 451 too many messages, slow down
		"too many mails",          // hosters
		"message rate",            // Postfix anvil: Message delivery request rate limit exceeded
		"request rate",            // Postfix anvil
		"sending too fast",        // hosters
		"too fast",                // hosters
		"slow down",               // Yahoo
		"throttl",                 // Office 365, Amazon SES: Throttling failure
		"unusual rate of",         // Gmail: 421 4.7.28
		"try to send fewer",       // hosters
		"exceeded the rate limit", // Outlook.com: 4.7.500 Server busy
		"bandwidth limits",        // Gmail, IMAP: Account exceeded command or bandwidth limits
		"too many simultaneous",   // Gmail, IMAP: Too many simultaneous connections
	}
	spentPhrases = []string{
		"messages in this connection", // Exim: 421 too many messages in this connection
		"too many messages sent",      // OpenSMTPD: 452 4.5.3 Too many recipients: Too many messages sent
		"message count per session",   // Amazon SES: 421 Maximum message count per session reached
	}
	loginPhrases = []string{
		"authentication required", // RFC 4954 6, Gmail: 530 5.7.0
		"requires authentication", // MailEnable: 503 This mail server requires authentication
		"not authenticated",       // Microsoft
		"must authenticate",       // MailEnable, hosters
		"authenticate first",      // qpsmtpd, hosters
		"login first",
		"log in first",
		"smtp auth",                           // hosters: SMTP AUTH is required
		"client host rejected: access denied", // Postfix on the port for submission
	}
	methodPhrases = []string{
		"mechanism",           // RFC 4954 6: 534 5.7.9 Authentication mechanism is too weak; Postfix: 535 5.7.8 Invalid authentication mechanism; Dovecot, IMAP
		"authentication type", // Exchange: 504 5.7.4 Unrecognized authentication type
	}
	tlsPhrases = []string{
		"must issue a starttls",   // Postfix, Gmail: 530 5.7.0
		"without ssl/tls",         // Yandex: 530 5.7.7
		"encryption required for", // RFC 4954 6: 538 5.7.11
	}
	namePhrases = []string{
		"helo command rejected",      // Postfix: 504 5.5.2 <laptop>: Helo command rejected: need fully-qualified hostname
		"syntactically invalid ehlo", // Exim: 501 Syntactically invalid EHLO argument(s)
		"invalid helo",               // cPanel's Exim: 550 Access denied - Invalid HELO name
		"helo/ehlo argument",         // Gmail: 501 5.5.4 HELO/EHLO argument "laptop" invalid
	}
	listedPhrases = []string{
		"blocked using", // Postfix: Client host [...] blocked using zen.spamhaus.org
		"spamhaus",
		"block list", // Outlook.com: part of their network is on our block list
		"blocklist",
		"blacklisted", // Exim, hosters
		"dnsbl",
	}
	listedSenderPhrases = []string{
		"sender address", // Postfix: Sender address [a@example.org] blocked using dbl.spamhaus.org
		"sender domain",  // Exim of hosters
	}
	relayPhrases = []string{
		"relay", // Postfix: Relay access denied, 454 or 554; Exim: relay not permitted; Exchange: Unable to relay
	}
	foreignFromPhrases = []string{
		"sendasdenied",                        // Exchange Online: 554 5.2.252, 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException
		"not allowed to send as",              // Exchange Online
		"not authorised to send from",         // Fastmail: 551 5.7.1 Not authorised to send from this header address
		"not authorized to send from",         // Amazon WorkMail
		"not permitted to send from",          // hosters
		"not allowed in header from",          // Exim of hosters: 550 Your domain example.org is not allowed in header From
		"header from does not match",          // hosters
		"from header does not match",          // hosters
		"from header is not",                  // hosters: From header is not one of your addresses
		"from header address rejected",        // Yandex: 550 5.7.0 Sender or From header address rejected: not owned by authorized user
		"from address is not one of",          // iCloud: 550 5.7.0 From address is not one of your addresses
		"from: address not verified",          // Yahoo: 553
		"request failed; mailbox unavailable", // Yahoo: 550 Request failed; Mailbox unavailable. The mailbox is From's
		"sender address does not match",       // mail.ru
		"incorrect sender header",             // home.pl: 550 Incorrect sender header (Check your FROM)
		"from/sender name is not valid",       // Postal: 530
		"relaying disallowed as",              // Zoho: 553 Relaying disallowed as ada@example.org
		"sender is not allowed to relay",      // Zoho: 553 Sender is not allowed to relay emails
		"invalid return path",                 // Proton Mail Bridge, which looks the From header up
	}
	tooLargePhrases = []string{
		"message too big",      // Courier: 534 SIZE=Message too big.
		"message too large",    // sendmail, qpsmtpd
		"message size exceeds", // Postfix, Exim, Exchange
		"exceeds maximum message size",
		"exceeded maximum message size",
		"maximum size of appendable message", // Exchange, IMAP
		"toobig",                             // iCloud, IMAP: BAD ... TOOBIG
	}
	lineContentPhrases = slices.Concat(strayPhrases, []string{
		"line too long", // aiosmtpd: 500 Line too long; OpenSMTPD: 500 5.0.0
		"lines too long",
		"nul character", // Cyrus: Message contains NUL characters
		"nul octet",
		"message contains invalid header", // Cyrus: a line that is no field
		"non-ascii characters in headers", // Cyrus with reject8bit
		"no header/body separator",        // Cyrus
	})
	strayPhrases = []string{
		"bare carriage return", // sendmail: 421 4.5.0 Bare carriage return (CR) not allowed
		"bare <cr>",
		"bare cr",
		"bare linefeed", // sendmail, Postfix (smtpd_forbid_bare_newline), Exchange
		"bare lf",
		"bare newline",
	}
)

// Says reports whether the server says one of the phrases, which are in lower case.
// What it repeats of the message does not count.
func (o Outcome) Says(phrases []string) bool {
	text := o.words()
	for _, p := range phrases {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}
