package config

import "github.com/popferry/popferry/cmd/internal/provider"

// resolveProvider fills in what a destination leaves to its provider. What is
// known about a server also applies if the destination names only the host.
func (d *forwardMapping) resolveProvider() {
	p, named := provider.ByName(d.Provider)
	known := named
	if named {
		named = d.takeDestination(p)
	} else {
		p, known = provider.ForHost(d.Host)
	}
	if known && p.Auth == provider.AuthOAuth2 && !d.has("auth") {
		d.checkTokenOnly(&d.Server, named)
	}
	d.warnOfSubmission()
}

// takeDestination takes the provider's server for the destination's protocol, if
// one is known.
func (d *forwardMapping) takeDestination(p provider.Provider) bool {
	servers := p.SMTP
	if d.Protocol == ProtocolIMAP {
		servers = p.IMAP
	}
	if len(servers) == 0 {
		d.key("provider").fail("popferry knows no server of %s for protocol: %s; set host instead", p.Title, d.Protocol)
		return false
	}
	d.takeServer(&d.Server, servers)
	return true
}

// warnOfSubmission warns of a server to which mail from others must not be
// submitted: it would not arrive as its sender wrote it, or not at all. Where it
// is refused, on_reject: wrap is an answer to that.
func (d *forwardMapping) warnOfSubmission() {
	p, _ := provider.ForHost(d.Host)
	s := p.Submission
	if d.Protocol != ProtocolSMTP || !s.Damages() || s.ForeignFrom == provider.Refuses && d.OnReject == RejectWrap {
		return
	}
	name := "host"
	if !d.has(name) {
		name = "provider"
	}
	d.key(name).warn("%s %s (%s, %s); set %s, or deliver to another inbox", d.Host, s.Effect(), s.Source, s.Checked, p.IMAPKeys())
}
