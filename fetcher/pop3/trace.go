package pop3

import (
	"fmt"
	"strings"
)

// tracedLines is how many lines of a listing Options.Trace receives.
const tracedLines = 10

// trace hands a line of the dialogue to Options.Trace.
func (c *Client) trace(sent bool, format string, args ...any) {
	if c.o.Trace != nil {
		c.o.Trace(sent, c.clean(fmt.Sprintf(format, args...)))
	}
}

// traceSent traces what is about to be sent.
func (c *Client) traceSent(ps []pending, lines []string) {
	if c.o.Trace == nil {
		return
	}
	for i, line := range lines {
		c.trace(true, "%s", masked(ps[i].name, line))
	}
}

// masked is a command without its secrets, even those that are not hidden yet:
// the words behind PASS, the digest of APOP, the responses of AUTH.
func masked(name, line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch {
	case name == "PASS":
		return verb + " ***"
	case name == "APOP":
		user := rest
		if i := strings.LastIndexByte(rest, ' '); i >= 0 {
			user = rest[:i]
		}
		return verb + " " + user + " ***"
	case !strings.HasPrefix(name, "AUTH "), line == name, line == "*":
		return line
	case strings.HasPrefix(line, name+" "):
		return name + " ***"
	}
	return "***"
}

// traceReply traces a reply. A challenge is secret: the response is computed from
// it.
func (c *Client) traceReply(p pending, r reply, line []byte) {
	if r.status == statusChallenge && p.challenge {
		c.trace(false, "+ ***")
		return
	}
	c.trace(false, "%s", line)
}

// traceLine traces the n-th line of a listing, up to a limit.
func (c *Client) traceLine(n int, line []byte) {
	switch {
	case c.o.Trace == nil:
	case n < tracedLines, string(line) == ".":
		c.trace(false, "%s", line)
	case n == tracedLines:
		c.trace(false, "(more lines)")
	}
}
