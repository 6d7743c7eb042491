package fetcher_test

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// popFaults is a mailbox that misbehaves once in so many commands.
type popFaults struct {
	chaos *chaos
	rng   *rng
	in    int
	// unsized: LIST may fail, so that all that tells messages apart are their
	// UIDs and headers.
	unsized bool

	mu      sync.Mutex
	session map[int]*popSession
}

// popSession is what is remembered of a session with the mailbox.
type popSession struct {
	doomed   []*pop3test.Message // DELE was confirmed
	from, to int                 // the part of the mailbox that is shown
	unsized  bool                // the listing tells no sizes
}

func (f *popFaults) of(s *pop3test.Session) *popSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.session[s.Number]
	if p == nil {
		p = &popSession{to: 1 << 30}
		f.session[s.Number] = p
	}
	return p
}

// handle sees each command of a client.
func (f *popFaults) handle(s *pop3test.Session, verb, arg string) bool {
	p := f.of(s)
	if f.chaos.on.Load() {
		if f.rng.one(60) {
			f.chaos.meddle(f.rng)
		}
		if f.rng.one(300) {
			f.chaos.halt()
		}
		if f.rng.one(f.in) && !(verb == "CAPA" && f.chaos.asked) && f.misbehave(s, p, verb, arg) {
			return true
		}
	}
	for _, answer := range f.chaos.answers {
		if answer(s, verb, arg) {
			return true
		}
	}
	m := f.message(s, arg)
	switch {
	case verb == "RETR" && m != nil && f.chaos.mail.undoubled(m.Octets):
		s.Write("+OK\r\n.\r\nx\r\n.\r\n")
		return true
	case verb == "DELE" && m != nil:
		p.doomed = append(p.doomed, m)
	case verb == "QUIT" && s.User() != "":
		f.quitting(s, p)
	case (verb == "UIDL" || verb == "LIST") && arg == "" && s.User() != "":
		f.list(s, p, verb)
		return true
	case (verb == "UIDL" || verb == "LIST") && m != nil && s.User() != "":
		s.OK("%s %s", arg, f.line(s, verb, arg, m))
		return true
	}
	return false
}

// line is what UIDL and LIST say of a message.
func (f *popFaults) line(s *pop3test.Session, verb, number string, m *pop3test.Message) string {
	if verb == "LIST" {
		return strconv.Itoa(f.chaos.sizes.of(m.Octets))
	}
	n, _ := strconv.Atoi(number)
	return f.chaos.uids.of(s, n, m)
}

// message is the one that a number means.
func (f *popFaults) message(s *pop3test.Session, number string) *pop3test.Message {
	if f.chaos.shifting != nil && s.User() != "" {
		return f.chaos.shifting.message(s, number)
	}
	return s.Message(number)
}

// quitting is what QUIT does to the mailbox, before it is answered.
func (f *popFaults) quitting(s *pop3test.Session, p *popSession) {
	f.chaos.deleting(p.doomed)
	for _, do := range f.chaos.quits {
		do(s)
	}
}

// list answers UIDL and LIST for the part of the mailbox that is shown.
func (f *popFaults) list(s *pop3test.Session, p *popSession, verb string) {
	var lines []string
	var all []shown
	for n := p.from + 1; n <= min(p.to, f.chaos.shortened()); n++ {
		number := strconv.Itoa(n)
		m := f.message(s, number)
		if m == nil {
			break
		}
		what := f.line(s, verb, number, m)
		lines = append(lines, number+" "+what)
		all = append(all, shown{what, string(m.Octets)})
	}
	if verb == "UIDL" {
		f.chaos.lists.note(s, all)
	}
	s.Lines("", lines...)
}

// listed is a message's size with the line end that POP3 gives it.
func listed(octets []byte) int {
	if len(octets) == 0 || bytes.HasSuffix(octets, []byte("\r\n")) {
		return len(octets)
	}
	return len(octets) + 2
}

// misbehave does something else than the command asks for; false if it leaves
// the answer to the server after all.
func (f *popFaults) misbehave(s *pop3test.Session, p *popSession, verb, arg string) bool {
	r := f.rng
	how := r.n(8)
	switch m := f.message(s, arg); {
	case how == 0:
		s.Close()
	case how == 1:
		s.Reset()
	case how == 2 && r.one(4):
		s.Hang()
	case verb == "LIST" && arg == "" && !f.unsized:
		return false
	case how == 3 && verb != "":
		p.unsized = p.unsized || verb == "LIST"
		s.Err("%s", f.refusal(verb))
	case arg == "" && (verb == "UIDL" || verb == "LIST"):
		return f.mislist(s, p, verb)
	case verb == "RETR" && m != nil:
		f.broken(s, m, !p.unsized)
	case verb == "TOP":
		number, _, _ := strings.Cut(arg, " ")
		if m = f.message(s, number); m == nil {
			return false
		}
		f.broken(s, m, true)
	case verb == "DELE":
		s.OK("or so")
	case verb == "QUIT" && s.User() != "":
		f.misquit(s, p)
	default:
		return false
	}
	return true
}

// refusal is what some server says.
func (f *popFaults) refusal(verb string) string {
	switch verb {
	case "PASS", "AUTH":
		return oneOf(f.rng, "[AUTH] wrong password", "[IN-USE] locked", "[SYS/TEMP] later")
	case "UIDL":
		return oneOf(f.rng, "[SYS/TEMP] try again later", "mailbox is busy, try again later")
	case "RETR", "TOP":
		return oneOf(f.rng, "no such message", "[SYS/TEMP] later", "[SYS/PERM] damaged", "cannot read it", "too many requests")
	}
	return oneOf(f.rng, "[SYS/TEMP] try again later", "no")
}

// mislist shows a part of the mailbox, or none, or breaks off.
func (f *popFaults) mislist(s *pop3test.Session, p *popSession, verb string) bool {
	r := f.rng
	switch how := r.n(4); {
	case verb == "LIST": // no sizes, or some
		p.unsized = true
		s.Lines("", "1 17 and more", "x", "3")
	case how == 0:
		f.chaos.lists.note(s, nil)
		s.Lines("")
	case how == 1:
		s.Write("+OK\r\n1 a\r\n2")
		s.Close()
	default:
		p.from = r.n(4)
		p.to = p.from + r.n(6)
		return false
	}
	return true
}

// broken sends a part of a message, with an end or without.
func (f *popFaults) broken(s *pop3test.Session, m *pop3test.Message, ended bool) {
	part := m.Octets[:f.rng.n(len(m.Octets)+1)]
	switch f.rng.n(3) {
	case 0: // nothing comes behind it until the client has had enough
		if f.rng.one(3) {
			s.Write("+OK\r\n" + string(part))
			s.Hang()
			return
		}
		fallthrough
	case 1:
		s.Write("+OK\r\n" + string(part))
		s.Close()
	default:
		if !ended || !f.chaos.mail.stump(m.Octets, listed(part), f.chaos.sizes.of(m.Octets)) {
			s.Close()
			return
		}
		s.OK("")
		s.SendBody(bytes.NewReader(part), -1)
	}
}

// misquit loses the deletions, or the reply.
func (f *popFaults) misquit(s *pop3test.Session, p *popSession) {
	switch f.rng.n(3) {
	case 0:
		f.quitting(s, p)
		s.Do("QUIT", "")
		s.Reset()
	case 1:
		s.OK("bye, but nothing is deleted")
		s.Close()
	default:
		s.Err("some messages were not deleted")
		s.Close()
	}
}
