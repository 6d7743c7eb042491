package fetcher_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// oneAtATime guards what a handler keeps: a session that was cut may still be
// at the commands that it was sent ahead, when the next one has begun.
func oneAtATime(handle func(s *pop3test.Session, verb, arg string) bool) func(*pop3test.Session, string, string) bool {
	if handle == nil {
		return nil
	}
	var mu sync.Mutex
	return func(s *pop3test.Session, verb, arg string) bool {
		mu.Lock()
		defer mu.Unlock()
		return handle(s, verb, arg)
	}
}

// refuse answers -ERR to some verbs.
func refuse(text string, verbs ...string) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, _ string) bool {
		if !slices.Contains(verbs, verb) {
			return false
		}
		s.Err("%s", text)
		return true
	}
}

// answerRETR answers RETR for one message.
func answerRETR(uid string, answer func(s *pop3test.Session, m *pop3test.Message)) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, arg string) bool {
		m := s.Message(arg)
		if verb != "RETR" || m == nil || m.UID != uid {
			return false
		}
		answer(s, m)
		return true
	}
}

// flood sends a header and a body of 16 MB, as long as anybody reads it. It tells
// whether that was to its end.
func flood(s *pop3test.Session) bool {
	s.Write("+OK\r\nMessage-ID: <m1@example.org>\r\n\r\n")
	mega := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1<<14)
	for range 16 {
		s.Write(mega)
		if s.Flush() != nil {
			return false
		}
	}
	s.Write(".\r\n")
	return true
}

// unstuffed sends a message as it is: a dot alone on its line ends it, and the
// rest comes only when the next command does.
type unstuffed struct {
	uid  string
	list []string // what LIST answers, if anything
	rest string
}

func (u *unstuffed) handle(s *pop3test.Session, verb, arg string) bool {
	if u.rest != "" {
		s.Write(u.rest + ".\r\n")
		u.rest = ""
	}
	m := s.Message(arg)
	switch {
	case verb == "LIST" && arg == "" && u.list != nil:
		s.Lines("", u.list...)
	case verb == "RETR" && m != nil && m.UID == u.uid:
		head, rest, _ := bytes.Cut(m.Octets, []byte("\r\n.\r\n"))
		s.Write("+OK\r\n" + string(head) + "\r\n.\r\n")
		u.rest = string(rest)
	default:
		return false
	}
	return true
}

// partialListing is a server that for a while lists less than it has.
type partialListing struct {
	on         atomic.Bool
	uids, list []string
}

func (p *partialListing) handle(s *pop3test.Session, verb, arg string) bool {
	switch {
	case !p.on.Load() || arg != "":
		return false
	case verb == "STAT":
		s.OK("%d 100", len(p.uids))
	case verb == "UIDL":
		s.Lines("", p.uids...)
	case verb == "LIST":
		s.Lines("", p.list...)
	default:
		return false
	}
	return true
}

// hidingServer is a server that gives each message once: what was retrieved is gone
// after QUIT, whether it says so (EXPIRE 0) or not.
type hidingServer struct {
	f    *fixture
	says bool
	seen []string
}

func (h *hidingServer) handle(s *pop3test.Session, verb, arg string) bool {
	switch verb {
	case "CAPA":
		if h.says {
			s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
			return true
		}
	case "RETR":
		if m := s.Message(arg); m != nil {
			h.seen = append(h.seen, m.UID)
		}
	case "QUIT":
		seen := h.seen
		h.seen = nil
		h.f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(seen, m.UID) })
		})
	}
	return false
}

// shy is a server that drops at QUIT what was retrieved, and does not say so.
type shy struct {
	f     *fixture
	mu    sync.Mutex
	given map[int][]string // UIDs by session
}

func (h *shy) handle(s *pop3test.Session, verb, arg string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch verb {
	case "RETR":
		if m := s.Message(arg); m != nil {
			h.given[s.Number] = append(h.given[s.Number], m.UID)
		}
	case "QUIT":
		gone := h.given[s.Number]
		h.f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(gone, m.UID) })
		})
	}
	return false
}

// saysExpire is a server that says EXPIRE 0 and does not do it.
func saysExpire(s *pop3test.Session, verb, _ string) bool {
	if verb == "CAPA" {
		s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
	}
	return verb == "CAPA"
}

// greylist refuses the first so many messages at the dot for now.
func greylist(n int) smtptest.Options {
	return smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message <= n {
			return smtptest.Fault{Code: 451, Text: "later"}
		}
		return smtptest.Fault{}
	}}
}

// failAt misbehaves at a stage for addresses with a prefix.
func failAt(stage forwarder.Stage, prefix string, fault smtptest.Fault) faults {
	b := faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == stage && strings.HasPrefix(e.Address, prefix) {
			return fault
		}
		return smtptest.Fault{}
	}}}
	b.pool.Connections = 1
	return b
}

// refusing refuses the first message of each mailbox, whatever the stage.
func refusing(o smtptest.Options, stage forwarder.Stage, e forwarder.EnhancedCode) faults {
	return refusingBy(550, o, stage, e)
}

func refusingBy(code int, o smtptest.Options, stage forwarder.Stage, e forwarder.EnhancedCode) faults {
	o.Fault = func(ev smtptest.Event) smtptest.Fault {
		if ev.Stage == stage && ev.Message == 1 {
			return smtptest.Fault{Code: code, Enhanced: e, Text: "not like this"}
		}
		return smtptest.Fault{}
	}
	b := faults{smtp: o}
	b.pool.Connections = 1
	return b
}
