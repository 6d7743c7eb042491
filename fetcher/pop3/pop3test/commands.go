package pop3test

import (
	"fmt"
	"strconv"
	"strings"
)

// beforeLogin and afterLogin are the commands of each state (RFC 1939 sections 4
// and 5).
var (
	beforeLogin = map[string]func(*Session, string){
		"": (*Session).greet, "CAPA": (*Session).capa, "STLS": (*Session).stls, "USER": (*Session).userName,
		"PASS": (*Session).pass, "APOP": (*Session).apop, "AUTH": (*Session).auth, "QUIT": (*Session).quit,
	}
	afterLogin = map[string]func(*Session, string){
		"CAPA": (*Session).capa, "STAT": (*Session).stat, "LIST": (*Session).list, "UIDL": (*Session).uidl,
		"RETR": (*Session).retr, "TOP": (*Session).top, "DELE": (*Session).dele, "RSET": (*Session).rset,
		"NOOP": (*Session).noop, "QUIT": (*Session).quit,
	}
)

// Do answers a command in the default way. The verb is in upper case; "" is the
// greeting.
func (s *Session) Do(verb, arg string) {
	commands := beforeLogin
	if s.user != "" {
		commands = afterLogin
	}
	if f, ok := commands[verb]; ok {
		f(s, arg)
		return
	}
	s.Err("unknown command, or not now")
}

func (s *Session) greet(string) {
	text := s.srv.o.Greeting
	if text == "" {
		text = "popferry test server"
	}
	s.OK("%s", text)
}

func (s *Session) noop(string) { s.OK("") }

func (s *Session) rset(string) {
	clear(s.deleted)
	s.OK("")
}

func (s *Session) stat(string) {
	var n, octets int64
	for _, m := range s.messages {
		if !s.deleted[m] {
			n++
			octets += m.size()
		}
	}
	s.OK("%d %d", n, octets)
}

func (s *Session) list(arg string) {
	s.listing(arg, func(n int, m *Message) string { return strconv.Itoa(n) + " " + strconv.FormatInt(m.size(), 10) })
}

func (s *Session) uidl(arg string) {
	s.listing(arg, func(n int, m *Message) string { return strconv.Itoa(n) + " " + m.UID })
}

// listing answers LIST or UIDL for one message, or for all.
func (s *Session) listing(arg string, line func(n int, m *Message) string) {
	if arg != "" {
		if i := s.index(arg); i >= 0 {
			s.OK("%s", line(i+1, s.messages[i]))
			return
		}
		s.Err("no such message")
		return
	}
	s.OK("%d messages", len(s.messages)-len(s.deleted))
	for i, m := range s.messages {
		if !s.deleted[m] {
			s.Write(line(i+1, m) + "\r\n")
		}
	}
	s.Write(".\r\n")
}

// index is the index of the message with the number in arg, -1 if there is none.
func (s *Session) index(arg string) int {
	n, err := strconv.Atoi(strings.TrimSpace(arg))
	if err != nil || n < 1 || n > len(s.messages) || s.deleted[s.messages[n-1]] {
		return -1
	}
	return n - 1
}

func (s *Session) retr(arg string) {
	m := s.Message(arg)
	if m == nil {
		s.Err("no such message")
		return
	}
	s.OK("%d octets", m.size())
	s.SendBody(m.open(), -1)
}

func (s *Session) top(arg string) {
	number, count, _ := strings.Cut(arg, " ")
	m := s.Message(number)
	lines, err := strconv.Atoi(count)
	switch {
	case m == nil:
		s.Err("no such message")
	case err != nil || lines < 0:
		s.Err("how many lines?")
	default:
		s.OK("")
		s.SendBody(m.open(), lines)
	}
}

func (s *Session) dele(arg string) {
	i := s.index(arg)
	if i < 0 {
		s.Err("no such message")
		return
	}
	s.deleted[s.messages[i]] = true
	s.OK("message %d marked", i+1)
}

func (s *Session) quit(string) {
	s.commit = true
	n := len(s.deleted)
	s.leave()
	s.OK("%s", fmt.Sprintf("bye, %d deleted", n))
	s.Close()
}
