package pop3

import "strings"

// phrase is words of real servers' refusals, in lower case, and what they mean. In a list the first that a text contains decides, so the more
// special ones stand first.
type phrase struct {
	words string
	kind  Kind
}

// lookUp finds the phrase of a list that a text in lower case contains.
func lookUp(list []phrase, text string) (Kind, bool) {
	for _, p := range list {
		if strings.Contains(text, p.words) {
			return p.kind, true
		}
	}
	return KindOther, false
}

// overrides are refusals that mean something else than their response code, which
// is usually [AUTH].
var overrides = []phrase{
	{"exceeded pop command or bandwidth", KindTooOften},    // Gmail
	{"maximum number of connections", KindTooOften},        // Dovecot
	{"temporary authentication failure", KindTemporary},    // Dovecot, [IN-USE] in old versions
	{"web login required", KindWebLogin},                   // Gmail: the password is right
	{"login to your account via a web", KindWebLogin},      // Hotmail
	{"log in via your web browser", KindWebLogin},          // Gmail
	{"not enabled for pop access", KindPOPDisabled},        // Gmail, to UIDL and not to the login; Yahoo
	{"login frequency limited, or system is b", KindOther}, // QQ: one text for every reason there is
}

// ofLogins are refusals of USER, PASS, APOP and AUTH.
var ofLogins = []phrase{
	{"mechanism", KindProtocol},                        // of AUTH: unknown, unsupported
	{"application-specific password", KindAppPassword}, // Gmail; also its SMTP: 534 5.7.9
	{"app password", KindAppPassword},
	{"pop3 access disabled", KindPOPDisabled}, // Courier: for this account
	{"pop3 is disabled", KindPOPDisabled},
	{"pop is disabled", KindPOPDisabled},
	{"basic authentication is", KindOAuthOnly},            // Microsoft: disabled (SMTP: 5.7.139), not supported (5.7.30)
	{"plaintext authentication disallowed", KindNeedsTLS}, // Dovecot
	{"encryption required", KindNeedsTLS},
	{"account is disabled", KindBlocked},
	{"account disabled", KindBlocked},
	{"suspended", KindBlocked},
	{"account is locked", KindBlocked},
	{"account locked", KindBlocked},
	{"account has been locked", KindBlocked},
	{"temporarily blocked", KindTooOften},
	{"blocked", KindPermanent},
	{"too many", KindTooOften}, // Yahoo: too many bad login attempts
	{"try again later", KindTemporary},
	{"lock", KindLocked}, // "unable to lock", before any words about passwords
	{"in use", KindLocked},
	{"invalid_token", KindCredentials}, // the JSON of OAUTHBEARER and XOAUTH2
	{`"status":"40`, KindCredentials},  // likewise: 400, 401
	{"unknown user", KindCredentials},  // Exchange: unknown user name or bad password
	{"user unknown", KindCredentials},
	{"user not found", KindCredentials},
	{"username not found", KindCredentials},
	{"no such user", KindCredentials},
	{"no mailbox for", KindCredentials}, // RFC 1939: sorry, no mailbox for frated here
	{"never heard of", KindCredentials}, // RFC 1939: never heard of mailbox name
	{"mailbox unknown", KindCredentials},
	{"mailbox not found", KindCredentials},
	{"invalid user", KindCredentials},
	{"invalid login", KindCredentials}, // Free
	{"login incorrect", KindCredentials},
	{"login fail", KindCredentials},    // Courier, 163
	{"logon failure", KindCredentials}, // Exchange
	{"unable to log on", KindCredentials},
	{"authentication fail", KindCredentials}, // Dovecot, GMX, Exchange
	{"authorization failed", KindCredentials},
	{"invalid credentials", KindCredentials},
	{"access denied", KindCredentials},
	{"permission denied", KindCredentials},    // RFC 1939, of APOP
	{"not accepted", KindCredentials},         // Gmail: Username and password not accepted
	{"pop3 disabled", KindPOPDisabled},        // Yandex: login failure or POP3 disabled
	{"application password", KindAppPassword}, // Mail.ru
	{"authorization code", KindAppPassword},   // QQ
	{"authorized code", KindAppPassword},      // QQ, older
	{"passwd", KindCredentials},
	{"password", KindCredentials},
}

// ofMessages are refusals of commands for one message, and of listings.
var ofMessages = []phrase{
	{"download exceed", KindTooOften}, // 163
	{"no such message", KindGone},     // RFC 1939
	{"there's no message", KindGone},  // Dovecot
	{"no message", KindGone},
	{"message not found", KindGone},
	{"is deleted", KindGone},      // Dovecot: Message is deleted
	{"already deleted", KindGone}, // RFC 1939
	{"been deleted", KindGone},    // qpopper
	{"expunged", KindGone},        // Dovecot: Message 31 expunged
	{"does not exist", KindGone},
	{"doesn't exist", KindGone},
	{"message number", KindGone}, // invalid, out of range, too large
	{"no longer", KindGone},
}

// anywhere are refusals of any command and of the connection.
var anywhere = []phrase{
	{"login allowed only every", KindTooOften}, // Hotmail, even to STAT
	{"exceeded the login limit", KindTooOften}, // Hotmail
	{"minimum time between logins", KindTooOften},
	{"logins must be at least", KindTooOften}, // Cyrus
	{"too many", KindTooOften},                // connections, sessions
	{"too often", KindTooOften},
	{"too frequent", KindTooOften},
	{"rate limit", KindTooOften},
	{"limit exceeded", KindTooOften},
	{"connection limit", KindTooOften},
	{"wait a few minutes", KindTooOften},
	{"blocked", KindPermanent},
	{"another session", KindLocked}, // qpopper: Is another session active?
	{"another pop", KindLocked},     // RFC 2449: Do you have another POP session running?
	{"in use", KindLocked},
	{"lock", KindLocked}, // RFC 1939: maildrop already locked, unable to lock maildrop
	{"unknown command", KindProtocol},
	{"unrecognized", KindProtocol},
	{"unimplemented", KindProtocol}, // qmail
	{"not implemented", KindProtocol},
	{"not supported", KindProtocol},
	{"unsupported", KindProtocol},
	{"invalid command", KindProtocol},
	{"bad command", KindProtocol},
	{"command not", KindProtocol},
	{"not valid in this state", KindProtocol}, // Exchange
	{"syntax error", KindProtocol},
	{"protocol error", KindProtocol}, // Exchange: Connection is closed. 10
	{"busy", KindTemporary},          // Gordano: please try later
	{"temporar", KindTemporary},      // Courier: problem, please try again later
	{"try again", KindTemporary},     // 163: Can't get the letter
	{"try later", KindTemporary},
	{"retry", KindTemporary},
	{"please wait", KindTemporary},
	{"not available", KindTemporary},
	{"unavailable", KindTemporary},
	{"internal error", KindTemporary}, // Dovecot
	{"server error", KindTemporary},   // nginx: internal server error, also for a password that the server behind it refuses
	{"out of memory", KindTemporary},
	{"overload", KindTemporary},
	{"shutting down", KindTemporary},
	{"maintenance", KindTemporary},
	{"damaged", KindPermanent},             // solid-pop3d: message is damaged; to PASS, of the whole mailbox
	{"could not be opened", KindTemporary}, // Hotmail: Mailbox
	{"inconsistent state", KindTemporary},  // Dovecot: Mailbox is in
	{"timeout", KindTemporary},
	{"timed out", KindTemporary},
}
