package realserver

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Proxy is a running proxy.
type Proxy struct {
	daemon
	url string // with %s for the user
}

// ProxyOptions say whom a proxy lets where.
type ProxyOptions struct {
	// Username and Password are the login; "": everybody is let in. Dante has none.
	Username, Password string
	// Only is the one port that may be connected to; 0: all. Microsocks allows all.
	Only int
}

const (
	socksPort = 20180
	httpPort  = 20128
)

// URL is the proxy as the configuration writes it, with this user.
func (p *Proxy) URL(username string) string {
	if username != "" {
		username += "@"
	}
	return fmt.Sprintf(p.url, username)
}

// newProxy prepares a proxy that listens at a port of an address of its own.
func newProxy(tb testing.TB, name, scheme string, port int, argv func(s scratch, ip string) []string) *Proxy {
	tb.Helper()
	path := program(tb, name)
	s, ip := newScratch(tb), loopback()
	addr := net.JoinHostPort(ip, strconv.Itoa(port))
	p := &Proxy{url: scheme + "://%s" + addr, daemon: daemon{tb: tb, name: name, log: s.path("log"), addrs: []string{addr}}}
	p.argv = append([]string{path}, argv(s, ip)...)
	p.attach()
	p.Start()
	return p
}

// StartMicrosocks starts a SOCKS5 proxy, and stops it at the end of the test.
func StartMicrosocks(tb testing.TB, o ProxyOptions) *Proxy {
	tb.Helper()
	return newProxy(tb, "microsocks", "socks5", socksPort, func(_ scratch, ip string) []string {
		argv := []string{"-i", ip, "-p", strconv.Itoa(socksPort)}
		if o.Username != "" {
			argv = append(argv, "-u", o.Username, "-P", o.Password)
		}
		return argv
	})
}

const danteConfig = `
logoutput: stderr
internal: %[1]s port = %[2]d
external: %[1]s
clientmethod: none
socksmethod: none
user.privileged: %[3]s
user.unprivileged: %[3]s
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 %[4]s }
`

// StartDante starts a SOCKS5 proxy without a login, and stops it at the end of the
// test.
func StartDante(tb testing.TB, o ProxyOptions) *Proxy {
	tb.Helper()
	if os.Getuid() != 0 {
		missing(tb, "dante must be started by root")
	}
	return newProxy(tb, "danted", "socks5", socksPort, func(s scratch, ip string) []string {
		only := ""
		if o.Only != 0 {
			only = fmt.Sprintf("port = %d", o.Only)
		}
		s.write("danted.conf", fmt.Sprintf(danteConfig, ip, socksPort, "root", only))
		return []string{"-f", s.path("danted.conf"), "-p", s.path("pid")}
	})
}

// StartTinyproxy starts an HTTP proxy, and stops it at the end of the test.
func StartTinyproxy(tb testing.TB, o ProxyOptions) *Proxy {
	tb.Helper()
	return newProxy(tb, "tinyproxy", "http", httpPort, func(s scratch, ip string) []string {
		var b strings.Builder
		fmt.Fprintf(&b, "Port %d\nListen %s\nTimeout 600\nMaxClients 100\n", httpPort, ip)
		if o.Username != "" {
			fmt.Fprintf(&b, "BasicAuth %s %s\n", o.Username, o.Password)
		}
		if o.Only != 0 {
			fmt.Fprintf(&b, "ConnectPort %d\n", o.Only)
		}
		s.write("tinyproxy.conf", b.String())
		return []string{"-d", "-c", s.path("tinyproxy.conf")}
	})
}

const squidConfig = `
http_port %[1]s:%[2]d
pid_filename none
cache_log %[3]s
access_log none
coredump_dir %[4]s
cache_effective_user proxy
cache_effective_group proxy
pinger_enable off
acl mail port %[5]s
acl CONNECT method CONNECT
http_access deny CONNECT !mail
http_access allow all
`

// StartSquid starts an HTTP proxy without a login, and stops it at the end of the
// test.
func StartSquid(tb testing.TB, o ProxyOptions) *Proxy {
	tb.Helper()
	if os.Getuid() != 0 {
		missing(tb, "squid must be started by root")
	}
	return newProxy(tb, "squid", "http", httpPort, func(s scratch, ip string) []string {
		ports := "1-65535"
		if o.Only != 0 {
			ports = strconv.Itoa(o.Only)
		}
		check(tb, os.Chmod(s.dir, 0o777)) // for the user proxy
		text := fmt.Sprintf(squidConfig, ip, httpPort, s.path("squid.log"), s.dir, ports)
		s.write("squid.conf", text)
		return []string{"-N", "-f", s.path("squid.conf")}
	})
}
