package discover

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/printable"
)

// ispdb is Thunderbird's database of providers.
const ispdb = "https://autoconfig.thunderbird.net/v1.1/"

// document is the part of a clientConfig, version 1.1, that matters here
// (draft-ietf-mailmaint-autoconfig section 3).
type document struct {
	XMLName  xml.Name       `xml:"clientConfig"`
	Incoming []namedService `xml:"emailProvider>incomingServer"`
	Outgoing []namedService `xml:"emailProvider>outgoingServer"`
}

// namedService is one server in it.
type namedService struct {
	Type     string   `xml:"type,attr"`
	Host     string   `xml:"hostname"`
	Port     int      `xml:"port"`
	Socket   string   `xml:"socketType"`
	Username string   `xml:"username"`
	Logins   []string `xml:"authentication"`
}

// autoconfig asks a domain's own servers; the dedicated one has precedence.
// Only the domain of the address learns the address.
func (f *Finder) autoconfig(ctx context.Context, a Address, domain string) (findings, error) {
	special := "https://autoconfig." + domain + "/mail/config-v1.1.xml"
	if domain == a.Domain {
		special += "?emailaddress=" + url.QueryEscape(a.Full)
	}
	places := []string{special, "https://" + domain + "/.well-known/autoconfig/mail/config-v1.1.xml"}
	answers, failures := make([]findings, len(places)), make([]error, len(places))
	each(len(places), func(i int) {
		answers[i], failures[i] = f.document(ctx, places[i], a, "the autoconfig of "+domain)
	})
	for i := range places {
		if failures[i] == nil {
			return answers[i], nil
		}
	}
	return findings{}, failures[0]
}

// database asks Thunderbird's database for a domain.
func (f *Finder) database(ctx context.Context, a Address, domain string) (findings, error) {
	return f.document(ctx, ispdb+url.PathEscape(domain), a, "Thunderbird's database, under "+domain)
}

// document fetches and reads one configuration.
func (f *Finder) document(ctx context.Context, from string, a Address, who string) (findings, error) {
	text, err := f.fetch(ctx, from)
	if err != nil {
		return findings{}, err
	}
	return readDocument(text, a, who)
}

// readDocument reads the servers of a configuration.
func readDocument(text []byte, a Address, who string) (findings, error) {
	var d document
	if err := xml.Unmarshal(text, &d); err != nil {
		return findings{}, fmt.Errorf("sends a configuration that cannot be read: %w", err)
	}
	var o findings
	for _, s := range d.Incoming {
		switch strings.ToLower(s.Type) {
		case "pop3":
			o.addNamed(POP3, s, a, who)
		case "imap":
			o.addNamed(IMAP, s, a, who)
		}
	}
	for _, s := range d.Outgoing {
		if strings.EqualFold(s.Type, "smtp") {
			o.addNamed(Submission, s, a, who)
		}
	}
	return o, nil
}

// addNamed adds a server that has TLS, a valid name and a valid port.
func (o *findings) addNamed(p Protocol, s namedService, a Address, who string) {
	mode, err := mode(s.Socket)
	host, ok := hostName(a.fill(s.Host))
	if err != nil || !ok || s.Port < 1 || s.Port > 65535 {
		return
	}
	c := Candidate{Server: Server{Host: host, Port: s.Port, TLS: mode}, Usernames: a.usernames(), From: who, Foreign: true, TokenOnly: tokenOnly(s.Logins)}
	if name := a.fill(s.Username); name != "" && !strings.Contains(name, "%") && printable.Text(name) == name {
		c.Usernames = []string{name}
	}
	o.add(p, c)
}

// mode reads a socketType; "plain" is an error.
func mode(socket string) (dial.Mode, error) {
	switch strings.ToUpper(strings.TrimSpace(socket)) {
	case "SSL", "TLS":
		return dial.Implicit, nil
	case "STARTTLS":
		return dial.StartTLS, nil
	}
	return dial.None, errors.New("no TLS")
}

// fill replaces the placeholders of a template by the parts of an address.
func (a Address) fill(template string) string {
	return strings.NewReplacer("%EMAILADDRESS%", a.Full, "%EMAILLOCALPART%", a.Local, "%EMAILDOMAIN%", a.Domain).
		Replace(strings.TrimSpace(template))
}

// tokenOnly reports whether OAuth2 is the only way to log in.
func tokenOnly(logins []string) bool {
	for _, l := range logins {
		if !strings.EqualFold(strings.TrimSpace(l), "OAuth2") {
			return false
		}
	}
	return len(logins) > 0
}
