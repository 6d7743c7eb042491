package pop3

import "testing"

func TestKind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from    string
		command string
		reply   string // after -ERR
		want    Kind
	}{
		// Response codes.
		{"RFC 2449", "PASS", "[IN-USE] Do you have another POP session running?", KindLocked},
		{"RFC 3206", "PASS", "[AUTH] no", KindCredentials},
		{"RFC 3206", "PASS", "[SYS/TEMP] no", KindTemporary},
		{"RFC 3206", "PASS", "[SYS/PERM] no", KindPermanent},
		{"RFC 6856", "RETR 3", "[UTF8] this needs UTF8", KindPermanent},
		{"unknown code", "PASS", "[X-NEW] mailbox is locked", KindLocked},
		{"lower case", "PASS", "[in-use] no", KindLocked},
		{"Dovecot", "PASS", "[AUTH] Authentication failed.", KindCredentials},
		{"Dovecot", "PASS", "[SYS/TEMP] Internal error occurred. Refer to server log for more information.", KindTemporary},
		{"Cyrus", "PASS", "[LOGIN-DELAY] Logins must be at least 5 minutes apart", KindTooOften},
		{"Cyrus", "PASS", "[IN-USE] Unable to lock maildrop", KindLocked},
		{"Mailu", "PASS", "[LOGIN-DELAY] Retry later", KindTooOften},
		{"Gmail", "PASS", "[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833", KindCredentials},
		{"Gmail", "PASS", "[AUTH] Username and password not accepted.", KindCredentials},
		{"Gmail", "STAT", "[SYS/PERM] Your account is not enabled for POP access.", KindPermanent},
		{"Gmail", "PASS", "[IN-USE] Unable to lock maildrop: mailbox is locked by another POP session", KindLocked},
		// Codes that mislead.
		{"Gmail", "PASS", "[AUTH] Account exceeded pop command or bandwidth limits (Failure)", KindTooOften},
		{"Gmail", "PASS", "[AUTH] Web login required: https://support.google.com/mail/answer/78754", KindPermanent},
		{"Dovecot", "PASS", "[IN-USE] Temporary authentication failure.", KindTemporary},
		{"Dovecot", "PASS", "[AUTH] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", KindTooOften},
		// Words at the login.
		{"Exchange", "PASS", "Logon failure: unknown user name or bad password.", KindCredentials},
		{"Exchange", "AUTH XOAUTH2", "Authentication failure: unknown user name or bad password.", KindCredentials},
		{"Exchange", "AUTH XOAUTH2", "Protocol error. Connection is closed. 10", KindProtocol},
		{"GMX", "PASS", "authentication failed", KindCredentials},
		{"Free", "APOP", "Invalid login or password", KindCredentials},
		{"Courier", "PASS", "Login failed.", KindCredentials},
		{"Courier", "PASS", "Temporary problem, please try again later", KindTemporary},
		{"Courier", "PASS", "POP3 access disabled for this account.", KindPermanent},
		{"163", "PASS", "login fail", KindCredentials},
		{"Yandex", "PASS", "login failure or POP3 disabled, try later", KindCredentials},
		{"QQ", "PASS", "Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.", KindOther},
		{"Yahoo", "PASS", "Too many bad login attempts.", KindTooOften},
		{"RFC 1939", "PASS", "maildrop already locked", KindLocked},
		{"RFC 1939", "PASS", "unable to lock maildrop", KindLocked},
		{"RFC 1939", "PASS", "invalid password", KindCredentials},
		{"RFC 1939", "USER", "sorry, no mailbox for frated here", KindCredentials},
		{"RFC 1939", "USER", "never heard of mailbox name", KindCredentials},
		{"RFC 1939", "APOP", "permission denied", KindCredentials},
		{"qpopper", "PASS", "/usr/mail/.thomas.pop lock busy! Is another session active? (11)", KindLocked},
		{"MDaemon", "PASS", "Maildrop already locked", KindLocked},
		{"VPOP3", "PASS", "Mailbox Locked", KindLocked},
		{"locked out", "PASS", "Account is locked", KindPermanent},
		{"blocked", "PASS", "Your IP address is blocked", KindPermanent},
		{"Dovecot", "AUTH CRAM-MD5", "Unsupported authentication mechanism.", KindProtocol},
		{"RFC 7628", "AUTH OAUTHBEARER", `refused {"status":"invalid_token","scope":"mail"}`, KindCredentials},
		{"Google", "AUTH XOAUTH2", `refused {"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`, KindCredentials},
		{"solid-pop3d", "PASS", "message is damaged", KindPermanent}, // of the whole mailbox
		{"nginx", "PASS", "internal server error", KindTemporary},
		// Words at any time.
		{"Gordano", "greeting", "Busy - please try later", KindTemporary},
		{"a greeting", "greeting", "too many connections, try again later", KindTooOften},
		{"Hotmail", "STAT", "login allowed only every 15 minutes", KindTooOften},
		{"Hotmail", "PASS", "Exceeded the login limit for a 15 minute period. Reduce the frequency of requests to the POP3 server.", KindTooOften},
		{"Hotmail", "STAT", "Mailbox could not be opened", KindTemporary},
		{"Hotmail", "PASS", "Login to your account via a web browser", KindPermanent},
		{"Dovecot", "UIDL", "Unknown command: UIDL", KindProtocol},
		{"Dovecot", "LIST", "Mailbox is in inconsistent state, please relogin.", KindTemporary},
		{"qmail", "UIDL", "unimplemented", KindProtocol},
		{"Exchange", "UIDL", "Command is not valid in this state.", KindProtocol},
		// Words about one message.
		{"RFC 1939", "RETR 2", "no such message", KindGone},
		{"RFC 1939", "DELE 2", "message 2 already deleted", KindGone},
		{"Dovecot", "RETR 5", "There's no message 5.", KindGone},
		{"Dovecot", "RETR 5", "Message is deleted.", KindGone},
		{"Dovecot", "RETR 31", "Message 31 expunged.", KindGone},
		{"163", "RETR 1", "Download exceed. msg=1", KindTooOften},
		{"163", "TOP 1 0", "Can't get the letter xtbBLQwAABrqlERZ8pmJc6[301], try again later", KindTemporary},
		{"163", "TOP 1 0", "Message can not load", KindOther},
		{"solid-pop3d", "RETR 2", "message is damaged", KindPermanent},
		{"a test", "RETR 2", "can't open message file", KindOther},
		{"a test", "DELE 2", "message is locked", KindLocked},
		{"nothing", "PASS", "", KindOther},
		{"the same words elsewhere", "STAT", "password", KindOther},
	} {
		code, text := splitCode(tt.reply)
		e := &Error{Command: tt.command, Code: code, Text: text}
		if got := e.Kind(); got != tt.want {
			t.Errorf("%s: %s: -ERR %s: kind %q, want %q", tt.from, tt.command, tt.reply, got, tt.want)
		}
	}
}

// TestReason: what to tell the user, whatever the command and the code.
func TestReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from    string
		command string
		reply   string // after -ERR
		want    Kind
	}{
		{"Gmail", "UIDL", "[SYS/PERM] Your account is not enabled for POP access.", KindPOPDisabled},
		{"Courier", "PASS", "POP3 access disabled for this account.", KindPOPDisabled},
		{"Yandex", "PASS", "[AUTH] login failure or POP3 disabled, try later", KindPOPDisabled},
		{"Gmail", "PASS", "[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833", KindAppPassword},
		{"Mail.ru", "PASS", "Application password is REQUIRED", KindAppPassword},
		{"QQ", "PASS", "Login fail. Please using authorized code to log in", KindAppPassword},
		{"QQ", "AUTH LOGIN", "[AUTH] please use an authorization code", KindAppPassword},
		{"Microsoft", "AUTH PLAIN", "[AUTH] Basic authentication is not supported", KindOAuthOnly},
		{"Gmail", "PASS", "[AUTH] Web login required: https://support.google.com/mail/answer/78754", KindWebLogin},
		{"Gmail", "PASS", "Please log in via your web browser", KindWebLogin},
		{"Hotmail", "STAT", "Login to your account via a web browser", KindWebLogin},
		{"locked out", "PASS", "[AUTH] Account is locked", KindBlocked},
		{"suspended", "PASS", "this mailbox is suspended", KindBlocked},
		{"Dovecot", "PASS", "[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", KindNeedsTLS},
		{"two of them", "PASS", "account disabled: POP3 is disabled", KindPOPDisabled},
		{"none", "PASS", "[AUTH] invalid password", KindOther},
		{"no words", "PASS", "", KindOther},
	} {
		code, text := splitCode(tt.reply)
		e := &Error{Command: tt.command, Code: code, Text: text}
		if got := e.Reason(); got != tt.want {
			t.Errorf("%s: %s: -ERR %s: reason %q, want %q", tt.from, tt.command, tt.reply, got, tt.want)
		}
	}
}
