package imaptest

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// do does one command.
func (c *conn) do(cmd command) error {
	if cmd.name == "APPEND" {
		c.s.mu.Lock()
		c.s.appends++
		c.s.mu.Unlock()
	}
	f := c.s.ask(Event{Connection: c.number, Command: cmd.name, Args: cmd.args})
	if done, err := c.fault(cmd, f); done {
		if cmd.name == "APPEND" && cmd.unasked && err == nil {
			_, err = io.CopyN(io.Discard, c.r, cmd.size+2) // RFC 7888 4
		}
		return err
	}
	switch cmd.name {
	case "CAPABILITY":
		c.say("* CAPABILITY " + c.caps())
		return c.answer(cmd, "OK done")
	case "NOOP", "ID", "SUBSCRIBE":
		return c.answer(cmd, "OK done")
	case "LOGOUT":
		c.say("* BYE bye", cmd.tag+" OK bye")
		return errEnd
	case "STARTTLS":
		c.startTLS(cmd)
		return nil
	case "LOGIN", "AUTHENTICATE":
		return c.login(cmd)
	}
	if !c.loggedIn {
		return c.answer(cmd, "NO log in first")
	}
	if cmd.name == "APPEND" {
		return c.append(cmd)
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	switch cmd.name {
	case "NAMESPACE":
		c.say(fmt.Sprintf(`* NAMESPACE ((%q %q)) NIL NIL`, c.s.o.Prefix, c.s.o.Delimiter))
		return c.answer(cmd, "OK done")
	case "LIST":
		return c.list(cmd)
	case "STATUS", "EXAMINE", "SELECT":
		return c.inspect(cmd)
	case "CREATE":
		c.s.folders[cmd.args[0]] = &folder{validity: 8, next: 1}
		return c.answer(cmd, "OK done")
	case "FETCH", "UID FETCH", "UID SEARCH", "UID STORE":
		if c.selected == nil {
			return c.answer(cmd, "BAD no folder is open")
		}
		return c.look(cmd)
	}
	return c.answer(cmd, "BAD what is %s?", cmd.name)
}

// caps are the capabilities now.
func (c *conn) caps() string {
	caps := c.s.o.Caps
	if !c.loggedIn {
		caps = c.s.o.Before
	}
	return strings.Join(append([]string{"IMAP4rev1"}, caps...), " ")
}

// login takes the secret by LOGIN or any mechanism, with or without an initial
// response.
func (c *conn) login(cmd command) error {
	given := ""
	switch {
	case cmd.name == "LOGIN" && len(cmd.args) == 2:
		given = cmd.args[1]
	case cmd.name == "AUTHENTICATE":
		response, err := c.response(cmd)
		if err != nil {
			return err
		}
		octets, err := base64.StdEncoding.DecodeString(response)
		if err != nil {
			return c.answer(cmd, "BAD not base64")
		}
		given = string(octets)
	}
	if c.s.o.Secret != "" && !strings.HasSuffix(given, c.s.o.Secret) && !strings.Contains(given, "Bearer "+c.s.o.Secret+"\x01") {
		return c.refuseLogin(cmd)
	}
	c.loggedIn = true
	return c.answer(cmd, "OK [CAPABILITY %s] welcome", c.caps())
}

// response is what the client answers to a mechanism, at once or when asked.
func (c *conn) response(cmd command) (string, error) {
	if len(cmd.args) > 1 {
		return cmd.args[1], nil
	}
	c.say("+ ")
	return c.line()
}

// refuseLogin says no. To a token it says why in a challenge first.
func (c *conn) refuseLogin(cmd command) error {
	if len(cmd.args) > 0 && (cmd.args[0] == "XOAUTH2" || cmd.args[0] == "OAUTHBEARER") {
		c.say("+ " + base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer"}`)))
		if _, err := c.line(); err != nil {
			return err
		}
	}
	return c.answer(cmd, "NO [AUTHENTICATIONFAILED] Invalid credentials")
}

// list lists all folders, or the delimiter.
func (c *conn) list(cmd command) error {
	if cmd.args[1] == "" {
		c.say(fmt.Sprintf(`* LIST (\Noselect) %q ""`, c.s.o.Delimiter))
		return c.answer(cmd, "OK done")
	}
	for name, f := range c.s.folders {
		c.say(fmt.Sprintf(`* LIST (%s) %q %q`, strings.TrimSpace(`\HasNoChildren `+f.attributes), c.s.o.Delimiter, name))
	}
	return c.answer(cmd, "OK done")
}

// inspect is STATUS, EXAMINE and SELECT.
func (c *conn) inspect(cmd command) error {
	f := c.s.folders[cmd.args[0]]
	if f == nil {
		return c.answer(cmd, "NO [NONEXISTENT] no such folder")
	}
	if cmd.name == "STATUS" {
		limit := ""
		if strings.Contains(cmd.args[1], "APPENDLIMIT") {
			limit = fmt.Sprintf(" APPENDLIMIT %d", c.s.o.MaxSize)
		}
		c.say(fmt.Sprintf("* STATUS %q (UIDNEXT %d UIDVALIDITY %d%s)", cmd.args[0], f.next, f.validity, limit))
		return c.answer(cmd, "OK done")
	}
	c.selected = f
	c.say(fmt.Sprintf("* %d EXISTS", len(c.s.shown(f))), "* 0 RECENT", `* FLAGS (\Seen)`, fmt.Sprintf("* OK [UIDVALIDITY %d] ok", f.validity), fmt.Sprintf("* OK [UIDNEXT %d] ok", f.next))
	return c.answer(cmd, "OK [READ-ONLY] done")
}

// look is what is done in an open folder.
func (c *conn) look(cmd command) error {
	switch cmd.name {
	case "UID SEARCH":
		found := c.search(cmd.args)
		switch {
		case !c.s.o.Extended:
			c.say("* SEARCH" + found)
		case found == "":
			c.say(fmt.Sprintf(`* ESEARCH (TAG %q) UID`, cmd.tag))
		default:
			c.say(fmt.Sprintf(`* ESEARCH (TAG %q) UID ALL %s`, cmd.tag, strings.ReplaceAll(found[1:], " ", ",")))
		}
	case "UID STORE":
		for i, m := range c.selected.messages {
			if inSet(cmd.args[0], m.UID, m.UID) {
				c.selected.messages[i].Labels = append(m.Labels, split(strings.Trim(cmd.args[2], "()"))...)
			}
		}
	default:
		c.fetch(cmd)
	}
	return c.answer(cmd, "OK done")
}

// fetch says what is asked of messages. One that is not asked for is in every set
// with "*".
func (c *conn) fetch(cmd command) {
	shown := c.s.shown(c.selected)
	var fields []string
	if at := strings.Index(cmd.args[1], "FIELDS ("); at >= 0 {
		text, _, _ := strings.Cut(cmd.args[1][at+len("FIELDS ("):], ")")
		fields = strings.Fields(strings.ReplaceAll(text, `"`, ""))
	}
	for i, m := range shown {
		id, last := uint32(i+1), uint32(len(shown))
		if cmd.name == "UID FETCH" {
			id, last = m.UID, shown[len(shown)-1].UID
		}
		if inSet(cmd.args[0], id, last) {
			head := m.header(fields)
			c.say(fmt.Sprintf("* %d FETCH (UID %d RFC822.SIZE %d BODY[HEADER.FIELDS (%s)] {%d}\r\n%s)", i+1, m.UID, len(m.Octets), strings.Join(fields, " "), len(head), head))
		}
	}
}

// inSet reports whether a number is in a sequence set, of which last is "*".
func inSet(set string, n, last uint32) bool {
	for part := range strings.SplitSeq(set, ",") {
		from, to, _ := strings.Cut(part, ":")
		a, b := bound(from, last), bound(to, last)
		if to == "" {
			b = a
		}
		if n >= min(a, b) && n <= max(a, b) {
			return true
		}
	}
	return false
}

func bound(s string, last uint32) uint32 {
	if s == "*" {
		return last
	}
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// search finds by HEADER and X-GM-RAW "rfc822msgid:...".
func (c *conn) search(args []string) string {
	var found strings.Builder
	for _, m := range c.s.shown(c.selected) {
		hit := false
		switch {
		case c.s.o.Deaf:
		case args[0] == "HEADER":
			hit = strings.Contains(m.field(args[1]), args[2])
		case args[0] == "X-GM-RAW":
			hit = "rfc822msgid:"+strings.Trim(m.field("Message-ID"), "<>") == args[1]
		}
		if hit {
			fmt.Fprintf(&found, " %d", m.UID)
		}
	}
	return found.String()
}

// append takes a message. What is wrong with it is said before it is asked for.
func (c *conn) append(cmd command) error {
	c.s.mu.Lock()
	known := c.s.folders[cmd.args[0]] != nil
	c.s.mu.Unlock()
	refusal := ""
	switch {
	case !known:
		refusal = "NO [TRYCREATE] no such folder"
	case c.s.o.MaxSize > 0 && cmd.size > c.s.o.MaxSize:
		refusal = c.s.o.TooBig
	}
	if refusal != "" && !cmd.unasked {
		return c.answer(cmd, "%s", refusal)
	}
	if !cmd.unasked {
		c.say("+ go ahead")
	}
	octets := make([]byte, cmd.size)
	if _, err := io.ReadFull(c.r, octets); err != nil {
		return err
	}
	if end, err := c.r.ReadString('\n'); err != nil || end != "\r\n" {
		return errEnd
	}
	if refusal != "" {
		return c.answer(cmd, "%s", refusal)
	}
	f := c.s.ask(Event{Connection: c.number, Command: "MESSAGE", Args: cmd.args})
	misbehaves := f.Close || f.Stall || f.Reply != ""
	var validity, uid uint32
	if !c.s.o.Forgets && (!misbehaves || f.Store) {
		validity, uid = c.keep(cmd, octets)
	}
	if done, err := c.fault(cmd, f); done {
		return err
	}
	if !slices.Contains(c.s.o.Caps, "UIDPLUS") {
		return c.answer(cmd, "OK done")
	}
	return c.answer(cmd, "OK [APPENDUID %d %d] done", validity, uid)
}

// keep stores a message that came.
func (c *conn) keep(cmd command, octets []byte) (validity, uid uint32) {
	m := Message{Octets: octets}
	for _, arg := range cmd.args[1:] {
		if strings.HasPrefix(arg, "(") {
			m.Flags = arg
		} else {
			m.Date, _ = time.Parse("_2-Jan-2006 15:04:05 -0700", arg)
		}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	uid = c.s.store(cmd.args[0], m)
	return c.s.folders[cmd.args[0]].validity, uid
}
