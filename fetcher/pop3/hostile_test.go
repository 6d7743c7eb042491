package pop3_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// Servers that err only in form: all messages arrive.
func TestOddFormsAreAccepted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		handle    handler
		malformed int
	}{
		{"sane", nil, 0},
		{"CAPA unknown", on("CAPA", func(s *pop3test.Session, _ string) { s.Err("unknown command") }), 0},
		{"CAPA hangs up", on("CAPA", func(s *pop3test.Session, _ string) { s.Close() }), 0},
		{"CAPA without UIDL", on("CAPA", func(s *pop3test.Session, _ string) { s.Lines("", "USER", "RESP-CODES") }), 0},
		{"CAPA in pieces", on("CAPA", func(s *pop3test.Session, _ string) {
			for _, octet := range "+OK caps\r\ntop\r\nUidl  \r\nuser\r\nRESP_CODES\r\nX-\u00e9\r\n.\r\n" {
				s.Write(string(octet))
				_ = s.Flush()
			}
		}), 0},
		{"APOP refused", func(s *pop3test.Session, verb, _ string) bool {
			switch verb {
			case "":
				s.OK("POP3 <1896.697170952@hostile.example>")
			case "APOP":
				s.Err("[AUTH] permission denied")
			default:
				return false
			}
			return true
		}, 0},
		{"greeting of 4 kB", on("", func(s *pop3test.Session, _ string) { s.OK("%s", strings.Repeat("legal notice ", 310)) }), 0},
		{"status in lower case, without text", func(s *pop3test.Session, verb, _ string) bool {
			switch verb {
			case "CAPA":
				s.Write("-err\r\n")
			case "", "DELE", "QUIT":
				s.Write("+ok\r\n")
			default:
				return false
			}
			return true
		}, 0},
		{"no UIDL", on("UIDL", func(s *pop3test.Session, _ string) { s.Err("unknown command") }), 0},
		{"spaces in UIDL", on("UIDL", func(s *pop3test.Session, _ string) { s.Write("+OK\r\n1   a\r\n2\tb  \r\n 3 c \r\n.\r\n") }), 0},
		{"junk in UIDL", on("UIDL", func(s *pop3test.Session, _ string) {
			s.Lines("", "garbage", "1 a", "7", "2 b", "", "3 c", "abc def ghi", "-1 minus", "0 zero", "99999999999999999999 huge")
		}), 7},
		{"UIDs of 1000 octets", on("UIDL", func(s *pop3test.Session, _ string) {
			long := strings.Repeat("u", 999)
			s.Lines("", "1 "+long+"1", "2 "+long+"2", "3 "+long+"3")
		}), 0},
		{"doubled UIDs", on("UIDL", func(s *pop3test.Session, _ string) { s.Lines("", "1 same", "2 same", "3 c") }), 0},
		{"STAT of billions", on("STAT", func(s *pop3test.Session, _ string) { s.OK("2000000000 99999999999999") }), 0},
		{"LIST lacks one", on("LIST", func(s *pop3test.Session, _ string) { s.Lines("", "1 100", "2 100") }), 0},
		{"sizes too small", on("LIST", func(s *pop3test.Session, _ string) { s.Lines("", "1 0", "2 1", "3 2") }), 0},
		{"sizes too large", on("LIST", func(s *pop3test.Session, _ string) { s.Lines("", "1 999999", "2 9223372036854775807", "3 99999") }), 0},
		{"a TOP that is not one", on("TOP", func(s *pop3test.Session, _ string) { s.Write("+OK\r\n+OK top follows\r\nSubject: x\r\n.\r\n") }), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3test.Options{Handle: tt.handle, Capabilities: []string{"TOP", "UIDL", "USER"}})
			s.Add("leo", box(3)...)
			out := poll(t, s, pop3.Options{})
			if out.err != nil {
				t.Fatal(out.err)
			}
			for n := 1; n <= 3; n++ {
				if out.bodies[n] != string(message(n)) {
					t.Errorf("message %d is %q", n, out.bodies[n])
				}
			}
			if out.listing.Malformed != tt.malformed {
				t.Errorf("%d malformed lines", out.listing.Malformed)
			}
		})
	}
}

// Hopeless servers: one clear error, in time.
func TestHopelessServerIsOneErrorInTime(t *testing.T) {
	t.Parallel()
	flood := func(s *pop3test.Session, _ string) {
		s.Write("+OK ")
		for s.Flush() == nil {
			s.Write(strings.Repeat("x", 1<<16))
		}
	}
	for _, tt := range []struct {
		name   string
		handle handler
		is     error     // one of: what the error is,
		kind   pop3.Kind // of which kind the refusal is,
		as     bool      // a *ProtocolError
	}{
		{"a mute greeting", on("", func(s *pop3test.Session, _ string) { s.Hang() }), os.ErrDeadlineExceeded, 0, false},
		{"a busy greeting", on("", func(s *pop3test.Session, _ string) { s.Err("too many connections, try again later"); s.Hang() }), nil, pop3.KindTooOften, false},
		{"wrong password", on("PASS", func(s *pop3test.Session, _ string) { s.Err("[AUTH] invalid user or password") }), nil, pop3.KindCredentials, false},
		{"every command refused for its rate", func(s *pop3test.Session, verb, _ string) bool {
			if s.User() == "" || verb == "QUIT" {
				return false
			}
			s.Err("login allowed only every 15 minutes")
			return true
		}, nil, pop3.KindTooOften, false},
		{"UIDL cut", on("UIDL", func(s *pop3test.Session, _ string) { s.Write("+OK\r\n1 uid-1\r\n2 ui"); s.Close() }), io.ErrUnexpectedEOF, 0, false},
		{"UIDL a line without an end", on("UIDL", flood), nil, 0, true},
		{"LIST a line without an end", on("LIST", flood), nil, 0, true},
		{"garbage for UIDL", on("UIDL", func(s *pop3test.Session, _ string) { s.Write("\xff\xfe\x00\r\n\r\n%n%n%s\r\n.\r\n") }), nil, 0, true},
		{"EOF instead of QUIT's reply", on("QUIT", func(s *pop3test.Session, _ string) { s.Close() }), io.ErrUnexpectedEOF, 0, false},
		{"a reset instead of QUIT's reply", on("QUIT", func(s *pop3test.Session, _ string) { s.Reset() }), io.ErrUnexpectedEOF, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3test.Options{Handle: tt.handle, Capabilities: []string{"TOP", "UIDL", "USER"}})
			s.Add("leo", box(3)...)
			o := pop3.Options{}
			if tt.is == os.ErrDeadlineExceeded {
				o.Timeout = 50 * time.Millisecond
			}
			err := poll(t, s, o).err
			var refused *pop3.Error
			var protocol *pop3.ProtocolError
			switch {
			case tt.is != nil && !errors.Is(err, tt.is),
				tt.as && !errors.As(err, &protocol),
				tt.kind != 0 && (!errors.As(err, &refused) || refused.Kind() != tt.kind || errors.Is(err, pop3.ErrNoUIDL)):
				t.Errorf("error %v", err)
			}
			if len(s.Messages("leo")) != 3 {
				t.Error("messages are gone")
			}
			for _, c := range s.Log() {
				if tt.name == "a busy greeting" {
					t.Errorf("%q is sent after the refusal", c.Line)
				}
			}
		})
	}
}

// One bad message: it is not taken for whole, those before it are.
func TestIncompleteMessageIsNotTaken(t *testing.T) {
	t.Parallel()
	wire := string(message(2))
	for _, tt := range []struct {
		name   string
		handle func(s *pop3test.Session)
		breaks bool // the session, else the others follow
	}{
		{"refused", func(s *pop3test.Session) { s.Err("can't open message file") }, false},
		{"gone", func(s *pop3test.Session) { s.Err("no such message") }, false},
		{"cut", func(s *pop3test.Session) { s.Write("+OK\r\n" + wire[:100]); s.Close() }, true},
		{"reset", func(s *pop3test.Session) { s.Write("+OK\r\n" + wire[:100]); s.Reset() }, true},
		{"stalled", func(s *pop3test.Session) { s.Write("+OK\r\n" + wire[:100]); s.Hang() }, true},
		{"terminator at the end of a line", func(s *pop3test.Session) { s.Write("+OK\r\n" + strings.TrimSuffix(wire, "\r\n") + ".\r\n"); s.Hang() }, true},
		{"lost terminator", func(s *pop3test.Session) { s.Write("+OK\r\n" + wire); s.Hang() }, true},
		{"an unstuffed dot", func(s *pop3test.Session) {
			s.Write("+OK\r\nline before\r\n.\r\n" + strings.Repeat("+OK line after\r\n", 100) + ".\r\n")
		}, true},
		{"an unstuffed dot, the rest late", func(s *pop3test.Session) {
			s.Write("+OK\r\nline before\r\n.\r\n")
			_ = s.Flush()
			_, _ = s.ReadLine() // whatever comes next is answered by the message
			s.Write("+OK 2 uid-2 is a line of it\r\n.\r\n")
			s.Hang()
		}, true},
		{"without an end", func(s *pop3test.Session) {
			s.Write("+OK\r\n")
			for s.Flush() == nil {
				s.Write(strings.Repeat("and on and on and on\r\n", 1000))
			}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3test.Options{Handle: only("RETR", "2", tt.handle)})
			s.Add("leo", box(3)...)
			o := pop3.Options{}
			switch tt.name {
			case "stalled", "terminator at the end of a line", "lost terminator", "an unstuffed dot, the rest late":
				o.Timeout = time.Second
			}
			out := poll(t, s, o)
			if _, ok := out.bodies[2]; ok || out.bodies[1] != string(message(1)) {
				t.Errorf("bodies %v", out.bodies)
			}
			if tt.breaks != (out.broken == 2) || !tt.breaks && (out.refused[2] == nil || out.bodies[3] == "" || out.err != nil) {
				t.Errorf("broken at %d: %v; refused %v", out.broken, out.err, out.refused)
			}
		})
	}
}

// Odd messages arrive octet by octet.
func TestOddMessagesArriveOctetByOctet(t *testing.T) {
	t.Parallel()
	for name, octets := range map[string]string{
		"NUL":              "X-Nul: a\x00b\r\n\r\nbefore\x00after\r\n\x00\x00\r\n",
		"long lines":       "A: b\r\n\r\n" + strings.Repeat("y", 3_000_000) + "\r\n" + strings.Repeat("z", 1001) + "\r\n",
		"From lines":       "From a@example.org Sun Nov  1 10:00:00 2026\r\n>From b\r\nSubject: x\r\n\r\ny\r\n",
		"raw 8-bit":        "X-Raw: Gr\xfc\xdfe\r\nX-Raw:no space\xff\xfe\r\n\r\n\xe4\xf6\xfc\r\n",
		"smuggling":        "A: b\r\n\r\nhello\n.\r\nMAIL FROM:<evil@example.org>\r\nDATA\r\nowned\r\n.\r\n",
		"bare CR and LF":   "A: b\r\n\r\na\rb\nc\n\rd\r\r\n",
		"dots":             ".\r\n..\r\n...\r\n.a\r\n",
		"empty lines only": "\r\n\r\n",
		"nothing":          "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3test.Options{})
			s.Add("leo", pop3test.Message{UID: "a", Octets: []byte(octets)})
			out := poll(t, s, pop3.Options{})
			if out.err != nil || out.bodies[1] != octets {
				t.Errorf("%.80q, %v", out.bodies[1], out.err)
			}
		})
	}
}

// DELE refused for one message: the others are deleted.
func TestDeleRefused(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{Handle: only("DELE", "2", func(s *pop3test.Session) { s.Err("message is locked") })})
	s.Add("leo", box(3)...)
	c := logIn(t, s)
	for n := 1; n <= 3; n++ {
		if err := c.Dele(t.Context(), n); (err != nil) != (n == 2) {
			t.Errorf("DELE %d: %v", n, err)
		}
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
	if left := s.Messages("leo"); len(left) != 1 || left[0].UID != "uid-2" {
		t.Errorf("left are %d messages", len(left))
	}
}
