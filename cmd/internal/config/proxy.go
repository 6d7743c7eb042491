package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/popferry/popferry/cmd/internal/child"
)

// The kinds of proxies.
const (
	ProxySOCKS5  = "socks5"  // RFC 1928
	ProxyHTTP    = "http"    // by CONNECT (RFC 9110 section 9.3.6)
	ProxyCommand = "command" // its standard input and output are the connection

	proxyNone = "none"
)

// The families of addresses; the zero value is any of them.
const (
	FamilyIPv4 = "4"
	FamilyIPv6 = "6"
)

// Route is how connections to a server are made. The zero value is: directly.
type Route struct {
	Proxy  Proxy
	Bind   netip.Addr // an address of this machine; zero: the system's choice
	Family string     // FamilyIPv4 or FamilyIPv6; "": any
}

// Proxy is what makes the connections. The zero value is none.
type Proxy struct {
	Kind     string // ProxySOCKS5, ProxyHTTP or ProxyCommand; "": none
	Host     string
	Port     int
	Username string // "": no login
	Password Secret
	// Command is a program and its arguments, in which %h, %p and %% stand for the
	// server's host, its port, and a percent sign. There is no shell.
	Command []string
	Dir     string // the working directory of the command

	hidden func() []string // variables that the command must not see; nil: none
}

// WithoutSecrets is the proxy as far as two can be compared.
func (p Proxy) WithoutSecrets() Proxy {
	p.Password, p.hidden = Secret{}, nil
	return p
}

// ID names the proxy so that another one has another name, without secrets; "" for
// none.
func (p Proxy) ID() string {
	switch p.Kind {
	case "":
		return ""
	case ProxyCommand:
		sum := sha256.Sum256([]byte(strings.Join(p.Command, "\x00"))) // the arguments may have secrets
		return "the command " + filepath.Base(p.Command[0]) + " " + hex.EncodeToString(sum[:4])
	}
	return p.Kind + "://" + net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
}

// Environ is the environment of the command: without the passwords of others.
func (p Proxy) Environ() []string {
	if p.hidden == nil {
		return child.Environment(os.Environ(), nil)
	}
	return child.Environment(os.Environ(), p.hidden())
}

// ParseProxy reads a value of proxy that is one text: a URL, or command: with words
// as a shell reads them, without its expansions. Its errors do not show the value,
// which may have a password in it.
func ParseProxy(text string) (Proxy, error) {
	if text == "" || text == proxyNone {
		return Proxy{}, nil
	}
	if command, ok := strings.CutPrefix(text, ProxyCommand+":"); ok {
		words, err := splitWords(command)
		if err == nil && len(words) == 0 {
			err = errors.New("names no command")
		}
		return Proxy{Kind: ProxyCommand, Command: words}, err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return Proxy{}, errors.New("is not socks5://HOST:PORT, http://HOST:PORT, a command as a list, or none")
	case u.Scheme == "socks5h":
		u.Scheme = ProxySOCKS5
	case u.Scheme != ProxySOCKS5 && u.Scheme != ProxyHTTP:
		return Proxy{}, fmt.Errorf("%q is not a kind of proxy; there are socks5, http and command", u.Scheme)
	}
	p := Proxy{Kind: u.Scheme, Host: u.Hostname(), Username: u.User.Username()}
	p.Port, err = strconv.Atoi(u.Port())
	_, secret := u.User.Password()
	const longest = 255 // octets (RFC 1929 section 2)
	switch {
	case secret:
		return Proxy{}, errors.New("has a password in it; use proxy_password_file, proxy_password_env or proxy_password_command")
	case err != nil || p.Port < 1 || p.Port > 65535:
		return Proxy{}, errors.New("needs the port of the proxy, as in " + p.Kind + "://HOST:PORT")
	case p.Host == "" || strings.ContainsFunc(p.Host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return Proxy{}, errors.New("needs the host of the proxy, as in " + p.Kind + "://HOST:PORT")
	case len(p.Username) > longest || p.Kind == ProxyHTTP && strings.Contains(p.Username, ":") || strings.ContainsFunc(p.Username, unicode.IsControl):
		return Proxy{}, errors.New("has a user name that no proxy of this kind can have")
	}
	return p, nil
}

// splitWords splits a command at spaces that are not in quotes or after a backslash.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	begun, quote, escaped := false, rune(0), false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			begun, quote = true, r
		case unicode.IsSpace(r):
			if begun {
				words = append(words, word.String())
			}
			begun = false
			word.Reset()
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("has a quote that does not end; write the command as a list")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// proxyPasswordKeys are the keys that give the password for a proxy; only one may be
// set.
func proxyPasswordKeys() []string {
	return []string{"proxy_password", "proxy_password_env", "proxy_password_file", "proxy_password_command"}
}

// routeKeyNames are the keys that say how connections are made.
func routeKeyNames() []string {
	return append([]string{"proxy", "bind", "family"}, proxyPasswordKeys()...)
}

// routeKeys are the same, with their setters.
func (l *loader) routeKeys(r *Route) keyTable {
	return keyTable{
		key("proxy", "", l.proxy(&r.Proxy)),
		key("proxy_password", "", l.password(&r.Proxy.Password)),
		key("proxy_password_env", "", l.passwordEnv(&r.Proxy.Password)),
		key("proxy_password_file", "", l.passwordFile(&r.Proxy.Password)),
		key("proxy_password_command", "", l.passwordCommand(&r.Proxy.Password)),
		key("bind", "", address(&r.Bind)),
		key("family", "any", family(&r.Family)),
	}
}

// proxy sets a proxy, without its password.
func (l *loader) proxy(p *Proxy) setter {
	return func(v yamlValue) {
		if v.isList() {
			for _, item := range v.items() {
				var word string
				text(&word)(item)
				p.Command = append(p.Command, word)
			}
			p.Kind = ProxyCommand
			if len(p.Command) == 0 || p.Command[0] == "" {
				v.fail("names no command")
			}
		} else {
			var value string
			text(&value)(v)
			parsed, err := ParseProxy(value)
			if err != nil {
				v.fail("%v", err)
				return
			}
			*p = parsed
		}
		if p.Kind == ProxyCommand && len(p.Command) > 0 {
			if strings.HasPrefix(p.Command[0], "~/") {
				p.Command[0] = l.expand(v, p.Command[0])
			}
			p.Dir, p.hidden = filepath.Dir(v.file), l.secretVariables
		}
	}
}

// address sets an IP address of this machine.
func address(p *netip.Addr) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok || s == "" {
			return
		}
		a, err := netip.ParseAddr(s)
		if err != nil || a.IsUnspecified() || a.IsMulticast() {
			v.fail("%q is not an IP address of this machine", s)
			return
		}
		*p = a.Unmap()
	}
}

// family sets the family of addresses.
func family(p *string) setter {
	return func(v yamlValue) {
		const any = "any"
		oneOf(p, words(any, FamilyIPv4, FamilyIPv6))(v)
		if *p == any {
			*p = ""
		}
	}
}

// checkRoute reports how connections cannot be made.
func (d mapping) checkRoute(r Route) {
	d.checkOnly(proxyPasswordKeys()...)
	for _, name := range proxyPasswordKeys() {
		switch {
		case !d.has(name):
		case r.Proxy.Username == "":
			d.key(name).fail("requires a user name in proxy, as in socks5://USER@HOST:PORT")
		case !loopback(r.Proxy.Host):
			d.key(name).warn("the password goes to the proxy at %s unencrypted: neither SOCKS5 nor HTTP proxies have TLS here", r.Proxy.Host)
		}
	}
	for _, name := range []string{"bind", "family"} {
		if r.Proxy.Kind == ProxyCommand && d.own(name) && d.own("proxy") {
			d.key(name).fail("conflicts with proxy: its command makes the connection; remove it")
		}
	}
	if r.Bind.IsValid() && r.Family != "" && r.Family != familyOf(r.Bind) {
		d.key("family").fail("%s conflicts with bind: %v is an IPv%s address", r.Family, r.Bind, familyOf(r.Bind))
	}
}

func familyOf(a netip.Addr) string {
	if a.Unmap().Is4() {
		return FamilyIPv4
	}
	return FamilyIPv6
}

// resolveRoute completes how connections to a server are made: as for all, where it
// has no keys of its own and is not on this machine.
func (d mapping) resolveRoute(s *Server, all Route) {
	r := &s.Route
	if strings.HasPrefix(s.Host, unixPrefix) {
		for _, name := range routeKeyNames() {
			if d.own(name) {
				d.key(name).fail("a unix socket is on this machine; remove it")
			}
		}
		*r = Route{}
		return
	}
	r.inherit(all, d, s.Host)
	d.checkRoute(*r)
	d.checkFamily(s)
	far := (r.Proxy.Kind == ProxySOCKS5 || r.Proxy.Kind == ProxyHTTP) && !loopback(r.Proxy.Host)
	if s.TLS.Mode == TLSNone && loopback(s.Host) && far {
		d.key("tls").warn("none: password and mail go to the proxy at %s unencrypted", r.Proxy.Host)
	}
}

// inherit takes from the route of all what a server has no keys for, unless the
// connection stays on this machine. Its own bind or family also decides about the
// other.
func (r *Route) inherit(all Route, d mapping, host string) {
	given := func(name string) bool { _, ok := d.keys[name]; return ok }
	if !given("proxy") && d.lacksAll(proxyPasswordKeys()...) && !loopback(host) {
		r.Proxy = all.Proxy
	}
	if r.Proxy.Host != "" {
		host = r.Proxy.Host
	}
	if loopback(host) {
		return
	}
	bind, family := given("bind"), given("family")
	if !bind && (!family || r.Family == "" || all.Bind.IsValid() && r.Family == familyOf(all.Bind)) {
		r.Bind = all.Bind
	}
	if !family && !r.Bind.IsValid() {
		r.Family = all.Family
	}
}

// checkFamily reports an address that cannot be reached by the family that is
// allowed.
func (d mapping) checkFamily(s *Server) {
	r, name, host := s.Route, "host", s.Host
	switch r.Proxy.Kind {
	case ProxyCommand:
		return
	case ProxySOCKS5, ProxyHTTP:
		name, host = "proxy", r.Proxy.Host
	}
	allowed := r.Family
	if r.Bind.IsValid() {
		allowed = familyOf(r.Bind)
	}
	if to, err := netip.ParseAddr(host); err == nil && allowed != "" && familyOf(to) != allowed {
		d.key(name).fail("%s is an IPv%s address, but bind or family allows only IPv%s", net.IP(to.AsSlice()), familyOf(to), allowed)
	}
}
