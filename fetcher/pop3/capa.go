package pop3

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/login"
)

// maxWords is how many words one keyword may have, those of repeated lines
// included. The longest lists are of login methods, a dozen or so.
const maxWords = 32

// Capabilities are what a server says it supports (RFC 2449). Keywords are
// compared without case, and "_" counts as "-" because some servers write it.
// The zero value has none.
type Capabilities struct {
	args    map[string][]string // by keyword
	crowded string              // a keyword with more than maxWords words, if any
}

// parseCapabilities parses the lines of a reply to CAPA.
func parseCapabilities(lines ...string) Capabilities {
	caps := Capabilities{args: make(map[string][]string)}
	for _, l := range lines {
		caps.add(l)
	}
	return caps
}

// add reads one line. The arguments of a repeated keyword are joined, up to
// maxWords.
func (c *Capabilities) add(line string) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return
	}
	k := keyword(f[0])
	room := maxWords - len(c.args[k])
	if len(f)-1 > room {
		c.crowded, f = k, f[:1+room]
	}
	c.args[k] = append(c.args[k], f[1:]...)
}

// keyword is the form of a capability's name for comparison.
func keyword(s string) string {
	return strings.ReplaceAll(upper(s), "_", "-")
}

// upper converts ASCII letters to upper case and keeps every other octet.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// Has reports whether a capability is listed.
func (c Capabilities) Has(name string) bool {
	_, ok := c.args[keyword(name)]
	return ok
}

// arguments are the words after a capability's name, as the server wrote them.
func (c Capabilities) arguments(name string) []string {
	return c.args[keyword(name)]
}

// mechanisms are the mechanisms of AUTH (RFC 5034 section 3) in upper case.
func (c Capabilities) mechanisms() []string {
	var out []string
	for _, m := range c.arguments("SASL") {
		out = append(out, upper(m))
	}
	return out
}

// offers reports whether a mechanism of AUTH is listed.
func (c Capabilities) offers(mechanism string) bool {
	return slices.Contains(c.mechanisms(), upper(mechanism))
}

// logins are the login methods that are listed, in alphabetical order, separated by
// spaces.
func (c Capabilities) logins() string {
	var listed []string
	for _, m := range login.Mechanisms() {
		if c.offers(m.Mechanism()) {
			listed = append(listed, string(m))
		}
	}
	if c.Has("USER") {
		listed = append(listed, string(MethodUser))
	}
	slices.Sort(listed)
	return strings.Join(listed, " ")
}

// Pipelining reports whether commands may be sent before the replies to earlier
// ones have arrived (RFC 2449 section 6.6).
func (c Capabilities) Pipelining() bool {
	return c.Has("PIPELINING")
}

// loginDelay is the least time between logins (RFC 2449 section 6.5), and
// whether there is one. It may be another after the login, where it is per user.
func (c Capabilities) loginDelay() (time.Duration, bool) {
	args := c.arguments("LOGIN-DELAY")
	if len(args) == 0 {
		return 0, false
	}
	s, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return 0, false
	}
	return time.Duration(s) * time.Second, true
}

// expire is for how many days the server keeps messages (RFC 2449 section 6.7);
// 0 means that retrieved messages are gone after QUIT. never means that they
// stay, ok that the server says anything about it.
func (c Capabilities) expire() (days int, never, ok bool) {
	args := c.arguments("EXPIRE")
	if len(args) == 0 {
		return 0, false, false
	}
	if strings.EqualFold(args[0], "NEVER") {
		return 0, true, true
	}
	n, err := strconv.ParseUint(args[0], 10, 31)
	if err != nil {
		return 0, false, false
	}
	return int(n), false, true
}

// Capabilities are what CAPA listed after the login, or none if the server does
// not know it.
func (c *Client) Capabilities() Capabilities { return c.caps }

// capa asks for the capabilities (RFC 2449 section 5). Ask again after startTLS
// and after login: the answer may differ. A server that does not know CAPA gives
// an *Error. One that hangs up on it gives an io.ErrUnexpectedEOF, and one whose
// answer exceeds BudgetCapa a *ProtocolError; the session is broken then, and what
// is returned is what was listed up to there.
func (c *Client) capa(ctx context.Context) (Capabilities, error) {
	release, err := c.acquire(ctx, "CAPA")
	if err != nil {
		return Capabilities{}, err
	}
	defer release()
	if _, err := c.exchange(pending{name: "CAPA"}, "CAPA"); err != nil {
		return Capabilities{}, err
	}
	caps := parseCapabilities()
	if err := c.lines("CAPA", c.o.budget("CAPA"), func(line []byte) { caps.add(string(line)) }); err != nil {
		return caps, err
	}
	if caps.crowded != "" {
		text := fmt.Sprintf("the reply has more than %d words of %s, the limit of %s", maxWords, c.quote([]byte(caps.crowded)), BudgetCapa)
		return caps, c.fail(&ProtocolError{Command: "CAPA", Text: text, Budget: BudgetCapa})
	}
	c.caps = caps
	return caps, nil
}
