package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

// Route says how connections are made. The zero value is: directly, from whatever
// address the system takes, to any address of the host. With a proxy, Bind and
// Family are about the connection to the proxy.
type Route struct {
	Proxy  Proxy
	Bind   netip.Addr // of this machine; zero: the system's choice
	Family Family
}

func (r Route) isZero() bool {
	return r.Proxy.Kind == NoProxy && !r.Bind.IsValid() && r.Family == AnyFamily
}

// family is that of the addresses that can be tried.
func (r Route) family() Family {
	switch {
	case !r.Bind.IsValid():
		return r.Family
	case r.Bind.Is4():
		return IPv4
	}
	return IPv6
}

// dialer makes connections from the route's address. Its zero value sends
// keep-alives.
func (r Route) dialer() *net.Dialer {
	if !r.Bind.IsValid() {
		return new(net.Dialer)
	}
	return &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(r.Bind, 0))}
}

// Family is which addresses of a host are tried.
type Family uint8

// The families.
const (
	AnyFamily Family = iota
	IPv4
	IPv6
)

// String is the family in one word.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	default:
		return "any"
	}
}

// FamilyError: a host has no address of the family that a Route allows.
type FamilyError struct {
	Host   string
	Family Family
}

// Error names the host and the family.
func (e *FamilyError) Error() string { return fmt.Sprintf("%s has no %v address", e.Host, e.Family) }

// IsBindError reports whether a connection failed because Route.Bind is not an
// address that this machine has.
func IsBindError(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == "bind"
}

// ProxyKind is the protocol of a proxy.
type ProxyKind uint8

// The kinds of proxies.
const (
	NoProxy ProxyKind = iota
	// SOCKS5 is RFC 1928, with a login by RFC 1929. The proxy looks up the host.
	SOCKS5
	// HTTP is the CONNECT method (RFC 9110 section 9.3.6), with a login by RFC 7617.
	// The proxy looks up the host.
	HTTP
	// Command is a program whose standard input and output are the connection.
	Command
)

// Proxy is what makes the connections to a server. The zero value is none.
type Proxy struct {
	Kind     ProxyKind
	Host     string // of the proxy
	Port     int
	Username string                                // "": no login
	Password func(context.Context) (string, error) // asked at each login; nil: empty
	// Command is the program and its arguments, in which %h, %p and %% are the
	// server's host, its port, and a percent sign. There is no shell.
	Command []string
	Dir     string          // the program's working directory
	Environ func() []string // its environment; nil: that of this process
}

// String is the proxy as users see it: without the user, and of a command only the
// program, because secrets may be in the arguments.
func (p Proxy) String() string {
	switch p.Kind {
	case SOCKS5:
		return fmt.Sprintf("socks5://%s", hostPort(p.Host, p.Port))
	case HTTP:
		return fmt.Sprintf("http://%s", hostPort(p.Host, p.Port))
	case Command:
		if len(p.Command) > 0 {
			return "the command " + filepath.Base(p.Command[0])
		}
	case NoProxy:
	}
	return "none"
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
