package pop3test

import (
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// Mechanism is a mechanism of AUTH (RFC 5034). initial is the initial response,
// nil if there is none; ask sends a challenge and returns the response. The
// result is the user who is logged in; an error's text becomes that of -ERR.
type Mechanism func(s *Session, initial []byte, ask func(challenge []byte) ([]byte, error)) (user string, err error)

// errWrong refuses a login because of the credentials (RFC 3206 section 5).
var errWrong = errors.New("[AUTH] invalid user name or password")

// check reports whether a password is right.
func (s *Session) check(user, password string) bool {
	want, ok := s.srv.o.Users[user]
	return ok && want == password
}

// logIn ends a login.
func (s *Session) logIn(user string) {
	messages, ok := s.srv.enter(user)
	if !ok {
		s.Err("[IN-USE] mailbox is in use by another session")
		return
	}
	s.user, s.messages = user, messages
	s.OK("%d messages", len(messages))
}

func (s *Session) userName(arg string) {
	s.name = arg
	s.OK("password?")
}

func (s *Session) pass(arg string) {
	if !s.check(s.name, arg) {
		s.Err("%s", errWrong)
		return
	}
	s.logIn(s.name)
}

// timestamp is the part of a greeting that APOP hashes.
var timestamp = regexp.MustCompile(`<[^<>@ ]+@[^<>@ ]+>`)

func (s *Session) apop(arg string) {
	user, digest, _ := strings.Cut(arg, " ")
	stamp := timestamp.FindString(s.srv.o.Greeting)
	sum := md5.Sum([]byte(stamp + s.srv.o.Users[user]))
	if _, known := s.srv.o.Users[user]; !known || stamp == "" || digest != hex.EncodeToString(sum[:]) {
		s.Err("%s", errWrong)
		return
	}
	s.logIn(user)
}

func (s *Session) capa(string) {
	caps := s.srv.o.Capabilities
	if caps == nil {
		caps = []string{"TOP", "UIDL", "USER", "RESP-CODES", "AUTH-RESP-CODE", "SASL " + strings.Join(s.mechanisms(), " ")}
		if s.srv.o.Pipelining != PipeliningHidden {
			caps = append(caps, "PIPELINING")
		}
	}
	if s.srv.o.TLS != nil && !s.TLS() && s.user == "" {
		caps = append(slices.Clone(caps), "STLS")
	}
	s.Lines("capabilities", caps...)
}

func (s *Session) stls(string) {
	if s.srv.o.TLS == nil || s.TLS() {
		s.Err("no TLS here")
		return
	}
	s.OK("begin TLS")
	if s.Flush() != nil {
		s.Close()
		return
	}
	s.use(tls.Server(s.raw, s.srv.o.TLS)) // what the client injected before the handshake is lost
}

// mechanisms are the names of all mechanisms of AUTH.
func (s *Session) mechanisms() []string {
	names := []string{"PLAIN", "LOGIN"}
	for n := range s.srv.o.SASL {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// mechanism is the mechanism with a name, or nil.
func (s *Session) mechanism(name string) Mechanism {
	if m, ok := s.srv.o.SASL[name]; ok {
		return m
	}
	switch name {
	case "PLAIN":
		return plain
	case "LOGIN":
		return login
	}
	return nil
}

func (s *Session) auth(arg string) {
	name, first, given := strings.Cut(arg, " ")
	m := s.mechanism(strings.ToUpper(name))
	if m == nil {
		s.Err("unknown mechanism")
		return
	}
	var initial []byte
	if given {
		initial = []byte{}
		if first != "=" {
			var err error
			if initial, err = base64.StdEncoding.DecodeString(first); err != nil {
				s.Err("not base64")
				return
			}
		}
	}
	user, err := m(s, initial, s.ask)
	if err != nil {
		s.Err("%s", err)
		return
	}
	s.logIn(user)
}

// ask sends a challenge and reads the response.
func (s *Session) ask(challenge []byte) ([]byte, error) {
	s.Write("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
	line, err := s.ReadLine()
	if err != nil {
		return nil, err
	}
	if line == "*" {
		return nil, errors.New("cancelled")
	}
	return base64.StdEncoding.DecodeString(line)
}

func plain(s *Session, initial []byte, ask func([]byte) ([]byte, error)) (string, error) {
	if initial == nil {
		var err error
		if initial, err = ask(nil); err != nil {
			return "", err
		}
	}
	f := strings.Split(string(initial), "\x00")
	if len(f) != 3 || !s.check(f[1], f[2]) {
		return "", errWrong
	}
	return f[1], nil
}

func login(s *Session, initial []byte, ask func([]byte) ([]byte, error)) (string, error) {
	user := initial
	var err error
	if user == nil {
		if user, err = ask([]byte("Username:")); err != nil {
			return "", err
		}
	}
	password, err := ask([]byte("Password:"))
	if err != nil {
		return "", err
	}
	if !s.check(string(user), string(password)) {
		return "", errWrong
	}
	return string(user), nil
}
