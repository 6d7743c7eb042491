package pop3

import (
	"slices"
	"strings"
	"testing"
)

// TestSecretComesBack: however a server repeats the password, and whenever, it is
// in no error and no trace.
func TestSecretComesBack(t *testing.T) {
	t.Parallel()
	const secret = "Hunter2-Geheim"
	plain := b64("\x00leo\x00" + secret)
	login := []string{"C: AUTH PLAIN " + plain, "S: +OK welcome leo/" + secret}
	for name, tt := range map[string]struct {
		lines []string
		want  string // of the error
	}{
		"the command, cut":         {[]string{"C: AUTH PLAIN " + plain, `S: -ERR bad command "AUTH PLAIN ` + plain[:20] + `..."`}, `bad command "AUTH PLAIN ***..."`},
		"the command, lower case":  {[]string{"C: AUTH PLAIN " + plain, "S: -ERR bad: auth plain " + strings.ToLower(plain)}, "bad: auth plain ***"},
		"the password, cut":        {[]string{"C: AUTH PLAIN " + plain, "S: -ERR [AUTH] not Hunter2-G"}, "[AUTH] not ***"},
		"the password, escaped":    {[]string{"C: AUTH PLAIN " + plain, `S: -ERR not "hunter2\-geheim"`}, `not "***"`},
		"something else than that": {[]string{"C: AUTH PLAIN " + plain, "S: what is " + plain}, `not a reply: "what is ***"`},
		"UIDL is refused":          {slices.Concat(login, []string{"C: UIDL", "S: -ERR session of leo/" + secret + " expired"}), "session of leo/*** expired"},
		"UIDL is not answered":     {slices.Concat(login, []string{"C: UIDL", "S: session of leo/" + secret}), `not a reply: "session of leo/***"`},
		"octets between":           {slices.Concat(login, []string{"R: " + secret + "\r\n"}), `"***"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, append(tt.lines, "W:")...)
			var trace strings.Builder
			c.o.Trace = func(_ bool, line string) { trace.WriteString(line + "\n") }
			err := c.login(t.Context(), Credentials{Method: MethodPlain, Username: "leo", Secret: password(secret)})
			if err == nil {
				_, err = c.UIDs(t.Context())
			}
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s at its end", err, tt.want)
			}
			for _, part := range []string{"hunter", "geheim", strings.ToLower(plain)[10:18]} {
				if strings.Contains(strings.ToLower(trace.String()), part) {
					t.Errorf("the trace shows %q:\n%s", part, trace.String())
				}
			}
		})
	}
}

// TestSecretIsAWord: a password that is made of a server's own words hides them,
// and what a reply means stays the same.
func TestSecretIsAWord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		secret, reply string
		kind, reason  Kind
		says, trace   string
	}{
		{"password", "-ERR invalid password", KindCredentials, KindOther, "-ERR invalid ***", "-ERR invalid ***"},
		{"mailbox", "-ERR mailbox is locked by another session", KindLocked, KindOther, "-ERR *** is locked by another session", "-ERR *** is locked by another session"},
		{"-ERR [IN-USE] x", "-ERR [IN-USE] x", KindLocked, KindOther, "-ERR [IN-USE] x", "-ERR [IN-USE] x"},
		{"in-use", "-ERR [IN-USE] In-use", KindLocked, KindOther, "-ERR [IN-USE] ***", "-ERR [IN-USE] ***"},
		{"application", "-ERR application-specific password required", KindCredentials, KindAppPassword, "-ERR ***-specific password required", "-ERR ***-specific password required"},
		{"-err", "-ERR -err", KindOther, KindOther, "-ERR ***", "-ERR ***"},
	} {
		c := ready(t, "C: USER leo", "S: +OK", "C: PASS "+tt.secret, "S: "+tt.reply)
		var last string
		c.o.Trace = func(_ bool, line string) { last = line }
		err := c.login(t.Context(), Credentials{Method: MethodUser, Username: "leo", Secret: password(tt.secret)})
		e := refused(t, err)
		if e.Kind() != tt.kind || e.Reason() != tt.reason {
			t.Errorf("%q: got kind %v, reason %v; want %v, %v", tt.reply, e.Kind(), e.Reason(), tt.kind, tt.reason)
		}
		if !strings.HasSuffix(e.Error(), tt.says) || last != tt.trace {
			t.Errorf("%q: got %v, traced %q; want %s, traced %q", tt.reply, e, last, tt.says, tt.trace)
		}
	}
}
