package main

import (
	"path/filepath"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
)

const (
	inboxName      = "inbox" // the name of the destination that init writes
	passwordEnding = ".password"
	accountEnding  = ".yaml"
)

// account is the mailbox as the configuration has it.
func (s *setup) account() config.Section {
	x := &s.mailbox
	k := config.Section{{Key: "name", Value: s.flags.name}}
	if x.provider != nil {
		k = append(k, config.Pair{Key: "provider", Value: x.provider.Name})
	}
	k = append(k, s.address(x)...)
	k = append(k,
		config.Pair{Key: "username", Value: x.usernames[0]},
		config.Pair{Key: "password_file", Value: fileName(s.flags.name) + passwordEnding},
		config.Pair{Key: "leave_on_server", Value: s.leave(), Comment: "true, false: delete what was forwarded, 14d: after 14 days"},
	)
	if s.place.existing != nil || s.flags.firstRun == config.FirstRunNew { // there may be defaults
		k = appendIf(k, "first_run", s.flags.firstRun)
	}
	if s.place.existing != nil {
		k = appendIf(k, "forward", s.flags.forward)
		k = appendIf(k, "to", s.flags.to)
		k = appendIf(k, "from", s.flags.from)
	}
	return k
}

// destination is the inbox's server as the configuration has it.
func (s *setup) destination() config.Section {
	x := &s.inbox
	k := append(config.Section{{Key: "name", Value: inboxName}}, s.address(x)...)
	if x.protocol == discover.LMTP {
		k = append(k, config.Pair{Key: "protocol", Value: config.ProtocolLMTP})
	}
	if !x.secret.IsZero() {
		k = append(k,
			config.Pair{Key: "username", Value: x.usernames[0]},
			config.Pair{Key: "password_file", Value: inboxName + passwordEnding})
	}
	k = appendIf(k, "from", s.flags.from)
	return append(k, config.Pair{Key: "to", Value: []string{x.address.Full}})
}

// address is where a server is, and its TLS.
func (s *setup) address(x *side) config.Section {
	k := config.Section{{Key: "host", Value: x.server.Host}}
	if x.server.Port == 0 { // a socket
		return k
	}
	k = append(k, config.Pair{Key: "port", Value: x.server.Port}, config.Pair{Key: "tls", Value: x.server.TLS.String()})
	if s.flags.caFile == "" || x.server.TLS == dial.None {
		return k
	}
	path := s.flags.caFile
	if whole, err := filepath.Abs(path); err == nil {
		path = whole // its own folder is not where the configuration is
	}
	return append(k, config.Pair{Key: "tls_ca_file", Value: path})
}

// leave is leave_on_server as YAML has it.
func (s *setup) leave() any {
	switch s.flags.leave {
	case "", "true":
		return true
	case "false":
		return false
	}
	return s.flags.leave
}

func appendIf(k config.Section, key, value string) config.Section {
	if value == "" {
		return k
	}
	return append(k, config.Pair{Key: key, Value: value})
}
