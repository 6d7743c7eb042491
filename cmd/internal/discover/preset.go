package discover

import (
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// preset is what is built in about a provider.
func preset(p provider.Provider, a Address) findings {
	o := findings{provider: &p}
	for _, s := range p.POP3 {
		o.pop3 = append(o.pop3, presetServer(p, s, a, p.Login))
	}
	for _, s := range p.SMTP {
		o.submission = append(o.submission, presetServer(p, s, a, p.Login))
	}
	for _, s := range p.IMAP {
		o.imap = append(o.imap, presetServer(p, s, a, p.IMAPLogin()))
	}
	return o
}

func presetServer(p provider.Provider, s provider.Server, a Address, login string) Candidate {
	c := Candidate{
		Server:    Server{Host: s.Host, Port: s.Port, TLS: dial.Implicit},
		Usernames: a.usernames(),
		From:      "preset " + p.Name,
		TokenOnly: p.Auth == provider.AuthOAuth2,
	}
	if s.TLS == provider.TLSStart {
		c.TLS = dial.StartTLS
	}
	switch login {
	case provider.LoginAddress:
		c.Usernames = []string{a.Full}
	case provider.LoginLocalPart:
		c.Usernames = []string{a.Local}
	}
	return c
}

// Preset is what is found for an address of a known provider.
func Preset(p provider.Provider, a Address) Found {
	var found Found
	found.add(preset(p, a))
	return found
}
