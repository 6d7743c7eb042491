package message

import "testing"

// What the mailbox's own provider wrote counts, and nothing that the sender may have
// written.
func TestSpamIsWhatTheLastServersMarked(t *testing.T) {
	t.Parallel()
	const hop = "Received: from a by b;\r\n Sun, 1 Mar 2026 08:00:00 +0000\r\n"
	for name, test := range map[string]struct {
		header string
		want   bool
	}{
		"no mark":                      {hop + hop, false},
		"flag above all hops":          {"X-Spam-Flag: YES\r\n" + hop + hop, true},
		"flag above the only hop":      {"X-Spam-Flag: YES\r\n" + hop, true},
		"status":                       {"X-Spam-Status: Yes, score=9.1 required=5.0\r\n\ttests=A,\r\n\tB\r\n" + hop, true},
		"status alone":                 {"x-spam-status:\tyes\r\n" + hop, true},
		"status without a comma":       {"X-Spam-Status: Yes score=9.1\r\n" + hop, true},
		"below the topmost hop":        {hop + "X-Spam-Flag: YES\r\n" + hop, true},
		"after a Return-Path":          {"Return-Path: <a@example.org>\r\n" + hop + "Subject: x\r\nX-Spam-Flag: yes\r\n" + hop, true},
		"below the only hop":           {hop + "X-Spam-Flag: YES\r\nSubject: x\r\n", false},
		"below the second hop":         {hop + hop + "X-Spam-Flag: YES\r\n", false},
		"between later hops":           {hop + hop + "X-Spam-Flag: YES\r\n" + hop, false},
		"no hop at all":                {"X-Spam-Flag: YES\r\nSubject: x\r\n", false},
		"marked as good":               {"X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-1 yes\r\n" + hop + hop, false},
		"good above, spam by another":  {"X-Spam-Flag: NO\r\nX-Spam-Status: Yes, score=7\r\n" + hop, true},
		"another field that says YES":  {"X-Spam-Score: YES\r\nX-Spam-Flagged: YES\r\n" + hop + hop, false},
		"flag with more than the word": {"X-Spam-Flag: YES it is\r\n" + hop, false},
		"in the body":                  {hop + "\r\nX-Spam-Flag: YES\r\n" + hop, false},
		"in another field":             {"Subject: x\r\n X-Spam-Flag: YES\r\n" + hop + hop, false},
	} {
		raw := []byte(test.header + "From: a@example.org\r\n\r\nbody\r\n")
		h := ParseHeader(raw)
		h.Beginning = raw
		if got := h.Spam(); got != test.want {
			t.Errorf("%s: spam %t, want %t", name, got, test.want)
		}
	}
}
