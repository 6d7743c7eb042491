package setup

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
)

// Input is what is known before the first question. An empty field is asked for,
// or gets its default.
type Input struct {
	Address  string // of the mailbox
	Mailbox  Server
	Provider string // name of a preset
	Name     string // of the account
	Leave    string // as leave_on_server in the configuration
	FirstRun string // as config.ParseFirstRun reads it

	To, From string
	Inbox    Server
	Protocol string // of the inbox's server, as in the configuration; "": the best
	Forward  string // name of a destination of an existing configuration
	Maildir  string // a folder of this machine that is the inbox, instead of To and Inbox

	CAFile string

	Proxy             string // as in the configuration; "": none, or that of an existing configuration
	ProxyPasswordFile string
}

// Server is what is known of a server.
type Server struct {
	Host         string // also HOST:PORT; for LMTP also unix:/path
	Port         int
	TLS          string
	Username     string
	PasswordFile string
	OAuth2       string // KEY=VALUE,KEY=VALUE as in the configuration; "": a password, if the server takes one
}

// Check returns all mistakes in the input alone, and moves a port that stands in
// a Host into Port.
func (in *Input) Check() error {
	var wrong []string
	fail := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, s := range []struct {
		flag string
		*Server
	}{{"", &in.Mailbox}, {"smtp-", &in.Inbox}} {
		if _, err := parseMode(s.TLS); err != nil {
			fail("--%stls: %v", s.flag, err)
		}
		if err := s.splitHost(); err != nil {
			fail("--%shost: %v", s.flag, err)
		}
		switch {
		case s.OAuth2 == "":
		case s.PasswordFile != "":
			fail("--%soauth2 and --%[1]spassword-file cannot be combined", s.flag)
		default:
			if _, _, err := parseOAuth2(s.OAuth2); err != nil {
				fail("--%soauth2: %v", s.flag, err)
			}
		}
	}
	if p, err := config.ParseProxy(in.Proxy); err != nil {
		fail("--proxy: %v", err)
	} else if in.ProxyPasswordFile != "" && p.Username == "" {
		fail("--proxy-password-file needs --proxy with a user name, as in socks5://USER@HOST:PORT")
	}
	if in.FirstRun != "" {
		if _, err := config.ParseFirstRun(in.FirstRun); err != nil {
			fail("--first-run: %v", err)
		}
	}
	if in.Leave != "" {
		if _, err := config.ParseLeave(in.Leave); err != nil {
			fail("--leave-on-server: %v", err)
		}
	}
	if in.Mailbox.Host == "" && (in.Mailbox.Port != 0 || in.Mailbox.TLS != "") {
		fail("--port and --tls need --host")
	}
	lmtp := in.Protocol == config.ProtocolLMTP
	switch s := in.Inbox; {
	case !slices.Contains([]string{"", config.ProtocolSMTP, config.ProtocolLMTP, config.ProtocolIMAP}, in.Protocol):
		fail("--forward-protocol: %q is none of smtp, lmtp, imap", in.Protocol)
	case s.Host == "" && (s.Port != 0 || s.TLS != "" || lmtp):
		fail("--smtp-port, --smtp-tls and LMTP need --smtp-host")
	case lmtp && s.Port == 0 && !s.hint().IsSocket():
		fail("--smtp-port is needed: LMTP has no standard port")
	case s.hint().IsSocket() && in.Protocol != "" && !lmtp:
		fail("--smtp-host: a socket is for --forward-protocol lmtp")
	}
	if in.Protocol == config.ProtocolIMAP && in.From != "" {
		fail("--from means nothing with --forward-protocol imap: there is no envelope")
	}
	if in.Maildir != "" && (in.To != "" || in.From != "" || in.Protocol != "" || in.Inbox != Server{}) {
		fail("--maildir: mail for a folder of this machine goes to no address and no server")
	}
	if in.Mailbox.hint().IsSocket() {
		fail("--host: a POP3 server is a host, not a socket")
	}
	if in.Provider != "" && in.Mailbox.Host != "" {
		fail("--provider and --host cannot be combined")
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// missing returns the flags that are required if nothing can be asked.
func (in *Input) missing(existing bool) (flags []string) {
	need := func(flag, value string) {
		if value == "" {
			flags = append(flags, "--"+flag)
		}
	}
	need("address", in.Address)
	need("password-file", in.Mailbox.PasswordFile+in.Mailbox.OAuth2)
	if !existing && in.Maildir == "" {
		need("to", in.To)
	}
	if in.Inbox.Username != "" || in.Protocol == config.ProtocolIMAP {
		need("smtp-password-file", in.Inbox.PasswordFile+in.Inbox.OAuth2)
	}
	return flags
}

// parseMode reads a kind of TLS; nil for an empty one.
func parseMode(word string) (*dial.Mode, error) {
	if word == "" {
		return nil, nil
	}
	m, err := dial.ParseMode(word)
	return &m, err
}

// splitHost moves the port of HOST:PORT into Port.
func (s *Server) splitHost() error {
	if s.Host == "" {
		return nil
	}
	h, err := parseServer(s.Host)
	s.Host, s.Port = h.Host, cmp.Or(s.Port, h.Port)
	return err
}

// hint is the server as package discover wants it.
func (s Server) hint() discover.Hint {
	mode, _ := parseMode(s.TLS) // Check has checked it
	return discover.Hint{Host: s.Host, Port: s.Port, TLS: mode}
}

// CheckServer returns why a text names no server.
func CheckServer(text string) error {
	_, err := parseServer(text)
	return err
}

// parseServer reads HOST, HOST:PORT or unix:/path.
func parseServer(text string) (discover.Hint, error) {
	h := discover.Hint{Host: text}
	if text == "" || strings.ContainsAny(text, " /@") && !h.IsSocket() {
		return h, fmt.Errorf("%q is not a server name such as mail.example.net or mail.example.net:995", text)
	}
	if h.IsSocket() || strings.Count(text, ":") != 1 && !strings.HasPrefix(text, "[") { // no port, or an IPv6 address
		return h, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return h, err
	}
	if h.Port, err = strconv.Atoi(port); err != nil || h.Port < 1 || h.Port > 65535 {
		return h, fmt.Errorf("%q is not a port", port)
	}
	h.Host = host
	return h, nil
}
