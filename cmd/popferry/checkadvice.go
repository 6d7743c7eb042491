package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// remedy is what to do about a step that failed: what can be found out here and
// now where there is something, else the catalogue's. No password is sent for it.
func (k *checker) remedy(ctx context.Context, s config.Server, p probe.Protocol, st probe.Step) string {
	if st.Err == nil {
		return ""
	}
	c := cause.Of(st.Err)
	found := ""
	switch {
	case st.Name == probe.StepSend:
		found = "It was a test only, so nothing is lost by it. Read the reply: mail may be refused likewise."
	case c.Code == "name":
		found = nearName(s.Host)
	case strings.HasPrefix(c.Code, "cert"):
		found = certificateAdvice(st.Err)
	case slices.Contains(unreached, c.Code):
		found = k.otherWays(ctx, s, p, c)
	case c.Code == "locked":
		found = c.Remedy + " It may be popferry itself, if it is polling this account right now."
	case slices.Contains(refused, c.Code):
		found = loginAdvice(s, c)
	}
	if found == "" {
		return c.Remedy
	}
	return found
}

// nearName is the spelling that was meant, perhaps.
func nearName(host string) string {
	if p, near := provider.Near(host); near != "" {
		return fmt.Sprintf("Did you mean %s (%s)?", near, p.Title)
	}
	return ""
}

// certificateAdvice is what to write to accept a certificate that is right.
func certificateAdvice(err error) string {
	var e *dial.CertificateError
	if !errors.As(err, &e) {
		return ""
	}
	pin := fmt.Sprintf("tls_pin: \"%s\"", e.SHA256)
	switch e.Reason {
	case dial.NameMismatch:
		return renamed(e) + "To accept this very certificate: " + pin
	case dial.PinMismatch:
		return "If the server was given a new certificate, write " + pin + ". If not, somebody may be in between."
	case dial.NotYetValid:
		return "Check this machine's clock. If the certificate is right, write " + pin
	case dial.Expired:
		return "Its owner has to renew it. Until then this accepts it, and no other: " + pin
	}
	return "If you know it to be right, as that of a server of your own, write " + pin + ", or tls_ca_file with its authority. If not, ask the provider."
}

// renamed is how to call a server by a name that its certificate is for. Its
// common name alone is never accepted.
func renamed(e *dial.CertificateError) string {
	var mismatch x509.HostnameError
	if !errors.As(e, &mismatch) || len(mismatch.Certificate.DNSNames)+len(mismatch.Certificate.IPAddresses) == 0 {
		return ""
	}
	i := slices.IndexFunc(e.Names, func(name string) bool { return !strings.Contains(name, "*") })
	if i < 0 {
		return fmt.Sprintf("If that is the server, write host with a name that fits %s. ", e.Names[0])
	}
	return fmt.Sprintf("If that is the server, write host: %s, or tls_server_name: %[1]s. ", e.Names[i])
}

// unreached are the causes that another port or kind of TLS may help against.
var unreached = []string{
	"not_tls", "tls", "port25", "refused_port", "connect", "timeout", "cut", "starttls", "not_pop3", "protocol",
	"forward_wants_tls", "forward_no_auth", "forward_no_starttls", "forward_tls", "forward_not_smtp", "forward_session",
}

// otherWays looks for ways to a host that do lead to a server.
func (k *checker) otherWays(ctx context.Context, s config.Server, p probe.Protocol, c cause.Cause) string {
	if len(p.Ways()) == 0 || strings.HasPrefix(s.Host, "unix:") {
		return ""
	}
	own := probe.Way{Port: s.Port}
	own.Mode, _ = dial.ParseMode(s.TLS.Mode) // it is checked
	ways := slices.DeleteFunc(p.Ways(), func(w probe.Way) bool { return w == own })
	answers := probe.Search(ctx, k.resources.Network, app.DialTarget(s), p, ways)
	if len(answers) == 0 {
		return c.Remedy + " Tried as well, without an answer: " + list(ways) + "."
	}
	best := answers[0]
	switch {
	case best.Mode == dial.None:
		return fmt.Sprintf("%s answers on port %d, but without encryption only: ask the provider for another host. "+
			"With tls: none the password would go in clear.", s.Host, best.Port)
	case best.Err != nil:
		return fmt.Sprintf("%s answers with %v, but its certificate is not accepted: %v.", s.Host, best.Way, best.Err)
	}
	return fmt.Sprintf("%s does answer with %v: write that.", s.Host, best.Way)
}

// list names ways.
func list(ways []probe.Way) string {
	names := make([]string, len(ways))
	for i, w := range ways {
		names[i] = w.String()
	}
	return strings.Join(names, "; ")
}

// refused are the causes that the provider's own rules may explain.
var refused = []string{
	"credentials", "pop_off", "app_password", "oauth_needed", "login", "hung_up", "too_often",
	"forward_auth", "forward_app_password", "forward_oauth_needed",
}

// loginAdvice is what is known of the provider's logins, so far as it may be
// what is wrong.
func loginAdvice(s config.Server, c cause.Cause) string {
	p, ok := provider.ForHost(s.Host)
	local, _, isAddress := strings.Cut(s.Username, "@")
	code := strings.TrimPrefix(c.Code, "forward_")
	any := code == "credentials" || code == "auth" || code == "login"
	if !ok {
		if any && !isAddress {
			return c.Remedy + " Many servers want the whole address as username."
		}
		return ""
	}
	name, _, _ := strings.Cut(p.Title, " (")
	var parts []string
	if p.Auth == provider.AuthOAuth2 && !s.Token && (any || code == "oauth_needed") && c.Code != "forward_oauth_needed" {
		parts = append(parts, "takes no passwords, only OAuth2: write auth: xoauth2, and a token_command that prints an access token.")
	}
	if p.AppPassword != nil && !s.Token && (any || code == "app_password") {
		parts = append(parts, sentence("wants an app password, made for popferry alone", p.AppPassword))
	}
	if p.EnablePOP != nil && (code == "credentials" || code == "pop_off") {
		parts = append(parts, sentence("wants POP3 to be switched on", p.EnablePOP))
	}
	if p.MinInterval() > 0 && (code == "too_often" || code == "hung_up") {
		parts = append(parts, fmt.Sprintf("wants %v between two logins: set min_interval.", p.MinInterval()))
	}
	switch {
	case any && p.Login == provider.LoginAddress && !isAddress:
		parts = append(parts, "wants the whole address as username.")
	case any && p.Login == provider.LoginLocalPart && isAddress:
		parts = append(parts, fmt.Sprintf("wants only %s as username.", local))
	}
	if len(parts) == 0 {
		return ""
	}
	found := name + " " + strings.Join(parts, " It ")
	if any {
		found += " Then check the spelling of username and password."
	}
	return found
}

// sentence says what is to be done, and where.
func sentence(what string, s *provider.Step) string {
	how := strings.TrimSuffix(s.How, ".")
	switch {
	case s.URL == "":
		return what + ": " + how + "."
	case how == "":
		return what + ": " + s.URL
	}
	return what + ": " + s.URL + " (" + how + ")."
}
