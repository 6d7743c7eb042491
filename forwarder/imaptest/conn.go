package imaptest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// conn is one connection.
type conn struct {
	s        *Server
	c        net.Conn
	r        *bufio.Reader
	number   int
	loggedIn bool
	selected *folder
}

func newConn(s *Server, c net.Conn, number int) *conn {
	return &conn{s: s, c: c, r: bufio.NewReader(c), number: number, loggedIn: strings.HasPrefix(s.o.Greeting, "PREAUTH")}
}

// errEnd ends the connection.
var errEnd = errors.New("the connection is to end")

// serve goes from the greeting to the end.
func (c *conn) serve() {
	c.say("* " + c.s.o.Greeting)
	if strings.HasPrefix(c.s.o.Greeting, "BYE") {
		return
	}
	for {
		cmd, err := c.next()
		if err == nil {
			err = c.do(cmd)
		}
		if err != nil {
			return
		}
	}
}

// say writes lines.
func (c *conn) say(lines ...string) {
	_, _ = io.WriteString(c.c, strings.Join(lines, "\r\n")+"\r\n") // a failure shows at the next read
}

// command is a command with its arguments. Of APPEND the literal is still to come.
type command struct {
	tag, name string
	args      []string
	size      int64 // of the message
	unasked   bool  // the client does not wait to be asked for it
	eight     bool  // literal8
}

// next reads a command.
func (c *conn) next() (command, error) {
	line, err := c.line()
	if err != nil {
		return command{}, err
	}
	tag, rest, _ := strings.Cut(line, " ")
	name, rest, _ := strings.Cut(rest, " ")
	cmd := command{tag: tag, name: strings.ToUpper(name)}
	if cmd.name == "UID" {
		name, rest, _ = strings.Cut(rest, " ")
		cmd.name += " " + strings.ToUpper(name)
	}
	for {
		text, size, unasked, eight, ok := literalAt(rest)
		cmd.args = append(cmd.args, split(text)...)
		if !ok {
			return cmd, nil
		}
		if cmd.name == "APPEND" {
			cmd.size, cmd.unasked, cmd.eight = size, unasked, eight
			return cmd, nil
		}
		if !unasked {
			c.say("+ go ahead")
		}
		octets := make([]byte, size)
		if _, err := io.ReadFull(c.r, octets); err != nil {
			return command{}, err
		}
		cmd.args = append(cmd.args, string(octets))
		if rest, err = c.line(); err != nil {
			return command{}, err
		}
	}
}

// line reads a line, and notes it.
func (c *conn) line() (string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	c.s.mu.Lock()
	c.s.said = append(c.s.said, line)
	c.s.mu.Unlock()
	return line, nil
}

// literalAt takes a literal's announcement off the end of a line.
func literalAt(line string) (text string, size int64, unasked, eight, ok bool) {
	at := strings.LastIndexByte(line, '{')
	if at < 0 || !strings.HasSuffix(line, "}") {
		return line, 0, false, false, false
	}
	digits, unasked := strings.CutSuffix(line[at+1:len(line)-1], "+")
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return line, 0, false, false, false
	}
	text, eight = strings.CutSuffix(line[:at], "~")
	return text, size, unasked, eight, true
}

// split takes arguments apart. What stands in parentheses or brackets is one.
func split(s string) []string {
	var args []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var arg string
		if s[0] == '"' {
			arg, s = unquote(s)
		} else {
			arg, s = upToSpace(s)
		}
		args = append(args, arg)
	}
	return args
}

// unquote takes a quoted string off the front.
func unquote(s string) (text, rest string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			b.WriteByte(s[i])
		case '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// upToSpace takes what stands before the next space that is not within parentheses,
// brackets or quotes.
func upToSpace(s string) (text, rest string) {
	depth, quoted := 0, false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ' ':
			if depth == 0 && !quoted {
				return s[:i], s[i:]
			}
		}
	}
	return s, ""
}

// fault misbehaves as asked at an event. done reports whether the command was
// answered by it.
func (c *conn) fault(cmd command, f Fault) (done bool, err error) {
	if f.Before != "" {
		c.say(strings.Split(f.Before, "\n")...)
	}
	switch {
	case f.Stall:
		<-c.s.closed
		return true, errEnd
	case f.Close:
		return true, errEnd
	case f.Reply != "":
		c.say(cmd.tag + " " + f.Reply)
		return true, nil
	}
	return false, nil
}

// startTLS puts TLS around the connection.
func (c *conn) startTLS(cmd command) {
	c.say(cmd.tag + " OK begin")
	c.c = tls.Server(c.c, c.s.o.TLS)
	c.r = bufio.NewReader(c.c)
}

// answer is the usual end of a command.
func (c *conn) answer(cmd command, format string, args ...any) error {
	c.say(cmd.tag + " " + fmt.Sprintf(format, args...))
	return nil
}
