package legacy

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// socksPort is mpop's default (mpop(1), proxy_port).
const socksPort = "1080"

// Route is how the other program reached a server, in the terms of package config.
// The zero value is: directly.
type Route struct {
	Command string // fetchmail's plugin: words, without quotes
	SOCKS   string // host:port of mpop's proxy
	Bind    string // an address of this machine
}

// proxy is the value of proxy; nil: none. fetchmail puts in %h and %p only where they
// are whole words; any other percent sign is one.
func (r Route) proxy() any {
	switch {
	case r.Command != "":
		words := strings.Fields(r.Command)
		for i, w := range words {
			if !strings.Contains(w, "%h") && !strings.Contains(w, "%p") {
				words[i] = strings.ReplaceAll(w, "%", "%%")
			}
		}
		return words
	case r.SOCKS != "":
		return config.ProxySOCKS5 + "://" + r.SOCKS
	}
	return nil
}

// ProxyID is the config.Proxy.ID of what the draft says.
func (r Route) ProxyID() string {
	switch value := r.proxy().(type) {
	case []string:
		return config.Proxy{Kind: config.ProxyCommand, Command: value}.ID()
	case string:
		p, err := config.ParseProxy(value)
		if err == nil {
			return p.ID()
		}
	}
	return ""
}

// section has the keys of the route.
func (r Route) section() (out config.Section) {
	if p := r.proxy(); p != nil {
		out = append(out, config.Pair{Key: "proxy", Value: p})
	}
	if r.Bind != "" {
		out = append(out, config.Pair{Key: "bind", Value: r.Bind})
	}
	return out
}

// fetchmailRoute carries over plugin, and interface as far as it names one address.
func (r *reader) fetchmailRoute(p rcPoll) Route {
	out := Route{Command: strings.Join(strings.Fields(p.server.plugin), " ")}
	spec := p.server.device
	if spec == "" {
		return out
	}
	parts := strings.Split(spec, "/")
	const exactly = "255.255.255.255" // also without a mask (fetchmail(1), --interface)
	addr := ""
	if len(parts) > 1 {
		addr = parts[1]
	}
	if _, err := netip.ParseAddr(addr); err != nil || len(parts) > 2 && parts[2] != exactly || out.Command != "" {
		r.setup.remark(p.Place, "interface: %s", noInterfaces)
		return out
	}
	out.Bind = addr
	r.setup.remark(p.Place, "interface: carried over as bind: %s, so that nothing goes out from another address; polls fail while this machine does not have it. If it is the address of the other side, remove bind", addr)
	return out
}

// mpopRoute carries over proxy_host and source_ip.
func (r *reader) mpopRoute(m mpopAccount) (out Route) {
	if host := m.commands["proxy_host"].text; host != "" && host != "off" {
		if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
			host = "[" + host + "]"
		}
		out.SOCKS = host + ":" + cmp.Or(m.commands["proxy_port"].text, socksPort)
		if _, err := config.ParseProxy(config.ProxySOCKS5 + "://" + out.SOCKS); err != nil {
			r.setup.remark(m.commands["proxy_host"].Place, "proxy_host, proxy_port: not a host with a port; set proxy")
			out.SOCKS = ""
		}
	}
	if c := m.commands["source_ip"]; c.text != "" {
		if _, err := netip.ParseAddr(c.text); err != nil {
			r.setup.remark(c.Place, "source_ip: not an IP address; set bind")
		} else {
			out.Bind = c.text
		}
	}
	return out
}

// fetchmailPlugout carries over the command that mail was sent through.
func (r *reader) fetchmailPlugout(p rcPoll, d *Delivery) {
	if strings.HasPrefix(d.Host, "unix:") {
		return // fetchmail connects to a socket by itself
	}
	d.Command = strings.Join(strings.Fields(p.server.plugout), " ")
	if d.Command != "" && onThisMachine(d.Host) {
		r.setup.remarkAbout(ofServer, p.Place, "plugout: carried over as proxy under forward; %s is then the other side's own", d.Host)
	}
}
