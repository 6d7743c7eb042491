package check

import (
	"net"
	"strconv"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/proxytest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// proxy starts a proxy that reaches the servers of the world at these places.
func proxy(o proxytest.Options, servers ...string) func(*fixture) {
	return func(f *fixture) {
		f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true})
		f.smtp(mxHost, 587, dial.StartTLS, nil)
		o.Servers = make(map[string]string)
		for _, server := range servers {
			host, port, _ := net.SplitHostPort(server)
			number, _ := strconv.Atoi(port)
			o.Servers[server] = f.listening[net.JoinHostPort(f.address(host), strconv.Itoa(number))]
		}
		p := proxytest.Start(f.t, o)
		f.proxy = net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	}
}

const (
	viaSOCKS = `, proxy: "socks5://PROXY"`
	asLeo    = `, proxy: "socks5://leo@PROXY", proxy_password: hunter2`
	viaHTTP  = `, proxy: "http://PROXY"`
	popAt    = popHost + ":995"
	mxAt     = mxHost + ":587"
)

// proxySetups are broken at a proxy, or behind it.
var proxySetups = []brokenSetup{
	{"proxy: nothing listens", isp + `, proxy: "socks5://127.0.0.1:1"`, "", nil},
	{"proxy: it does not exist", isp + `, proxy: "http://proxy.nowhere.test:3128"`, "", nil},
	{"proxy: it wants a login", isp + viaSOCKS, "", proxy(proxytest.Options{Username: "leo", Password: "x"}, popAt)},
	{"proxy: the wrong password", isp + asLeo, "", proxy(proxytest.Options{Username: "leo", Password: "x"}, popAt)},
	{"proxy: the password's file is gone", isp + `, proxy: "socks5://leo@PROXY", proxy_password_command: "cat no-such-file"`, "", proxy(proxytest.Options{}, popAt)},
	{"proxy: HTTP that wants a login", isp + viaHTTP, "", proxy(proxytest.Options{HTTP: true, Username: "leo", Password: "x"}, popAt)},
	{"proxy: HTTP that allows no such port", isp + viaHTTP, "", proxy(proxytest.Options{HTTP: true, Reply: 403}, popAt)},
	{"proxy: not one of this kind", isp + viaHTTP, "", proxy(proxytest.Options{Says: "220 mail.isp.test ESMTP\r\n"}, popAt)},
	{"proxy: it is silent", isp + viaHTTP + ", timeout: 1s", "", proxy(proxytest.Options{HTTP: true, Silent: true}, popAt)},
	{"proxy: it cannot reach the server", isp + viaSOCKS, "", proxy(proxytest.Options{Reply: 4}, popAt)},
	{"proxy: the server is silent behind it", isp + viaSOCKS + ", timeout: 1s", "", proxy(proxytest.Options{SilentServer: true}, popAt)},
	{"proxy: the destination's wants a login", "", home + viaSOCKS, proxy(proxytest.Options{Username: "leo", Password: "x"}, mxAt)},
	{"proxy: the command fails", isp + `, proxy: [sh, -c, "echo gateway: Permission denied >&2; exit 255"]`, "", proxy(proxytest.Options{}, popAt)},
	{"proxy: the destination's command fails", "", home + `, proxy: [no-such-program, "%h"]`, proxy(proxytest.Options{}, popAt)},
	{"family: the server has no such address", `host: localhost.test` + leoAt + `, family: 6`, "", func(f *fixture) { f.address("localhost.test") }},
}
