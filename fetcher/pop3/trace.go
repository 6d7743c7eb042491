package pop3

import (
	"strings"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
)

// tracedLines is how many lines of a listing Options.Trace receives.
const tracedLines = 10

// trace hands a line of the dialogue to Options.Trace. Its first octets stay as
// they are, and secrets are hidden in the rest: what steers the session is never
// taken apart, whatever the password is.
func (c *Client) trace(sent bool, line string, first int) {
	if c.o.Trace == nil {
		return
	}
	if strings.HasPrefix(line[first:], " ") {
		first++ // clean would take it away
	}
	c.o.Trace(sent, strings.TrimSpace(printable.Text(line[:first])+c.clean(line[first:])))
}

// traceSent traces what is about to be sent.
func (c *Client) traceSent(ps []pending, lines []string) {
	if c.o.Trace == nil {
		return
	}
	for i, line := range lines {
		line = masked(ps[i].name, line)
		verb, _, _ := strings.Cut(line, " ")
		c.trace(true, line, len(verb))
	}
}

// masked is a command without its secrets, even those that are not hidden yet:
// the words behind PASS, the digest of APOP, the responses of AUTH.
func masked(name, line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch {
	case name == "PASS":
		return verb + " " + login.Hidden
	case name == "APOP":
		user := rest
		if i := strings.LastIndexByte(rest, ' '); i >= 0 {
			user = rest[:i]
		}
		return verb + " " + user + " " + login.Hidden
	case !strings.HasPrefix(name, "AUTH "), line == name, line == "*":
		return line
	case strings.HasPrefix(line, name+" "):
		return name + " " + login.Hidden
	}
	return login.Hidden
}

// traceReply traces a line that was read as a reply, if it is one. A challenge is
// secret: the response is computed from it.
func (c *Client) traceReply(p pending, r reply, isReply bool, octets []byte) {
	if c.o.Trace == nil {
		return
	}
	switch line := string(octets); {
	case !isReply:
		c.trace(false, line, 0)
	case r.status == statusChallenge && p.challenge:
		c.trace(false, "+ "+login.Hidden, len("+"))
	default:
		status := len([...]string{statusOK: "+OK", statusErr: "-ERR", statusChallenge: "+"}[r.status])
		_, text := splitCode(r.text)
		c.trace(false, line, status+max(0, strings.Index(line[status:], text)))
	}
}

// traceLine traces the n-th line of a listing, up to a limit.
func (c *Client) traceLine(n int, line []byte) {
	switch {
	case c.o.Trace == nil:
	case n < tracedLines, string(line) == ".":
		number := strings.TrimLeft(string(line), "0123456789")
		c.trace(false, string(line), len(line)-len(number))
	case n == tracedLines:
		c.trace(false, "(more lines)", 0)
	}
}
