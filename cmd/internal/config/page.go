package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"
)

// hostForm matches a host name as browsers send it, in lower case.
var hostForm = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// hostName reads a name under which the status page is reached.
func hostName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if !hostForm.MatchString(name) {
		return "", fmt.Errorf("%q is not a host name such as mail.example.org, without a port and with xn-- for letters outside ASCII", s)
	}
	return name, nil
}

// network reads a network, or an address, which is a network of its own.
func network(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if ip, bad := netip.ParseAddr(s); bad == nil && ip.Zone() == "" {
		p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is not an address or a network such as 10.1.0.0/16", s)
	case p.Bits() == 0:
		return p, fmt.Errorf("%q is every address, so every client could claim to be another; name only the proxies", s)
	}
	return p.Masked(), nil
}

// MinPagePassword is the length of the shortest password for the page. Guesses are
// slowed down, but only so far.
const MinPagePassword = 8 // characters

var errShortPassword = fmt.Errorf("the password has fewer than %d characters, so nobody can log in to the status page; choose a longer one", MinPagePassword)

// LoginPassword returns the current password of the status page; "" if none is
// configured, which switches logging in off. The error is a *SecretError, also for
// a password that is too short.
func (w Web) LoginPassword(ctx context.Context) (string, error) {
	if w.Password.IsZero() {
		return "", nil
	}
	password, err := w.Password.Get(ctx)
	if err == nil && utf8.RuneCountInString(password) < MinPagePassword {
		err = &SecretError{errShortPassword}
	}
	if err != nil {
		return "", err
	}
	return password, nil
}

// checkPage warns of a password that is of no use: without a page, too short, or
// sent without encryption. Mail goes on without the page, so none is an error.
func (l *loader) checkPage(main mapping) {
	c := l.config
	main.checkPair("listen_tls_cert_file", "listen_tls_key_file")
	if c.Web.Password.IsZero() {
		return
	}
	if c.Listen == "" {
		main.key("web").warn("password_file: has no effect without listen")
		return
	}
	// Whoever runs a command that only looks may be unable to read the file.
	if _, err := c.Web.LoginPassword(context.Background()); errors.Is(err, errShortPassword) {
		main.key("web").warn("password_file: %v", err)
	}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !loopback(host) && c.ListenTLS.CertFile == "" {
		main.key("listen").warn("the password of the status page crosses the network unencrypted; set listen_tls_cert_file, or listen on 127.0.0.1, behind a web server with TLS")
	}
}
