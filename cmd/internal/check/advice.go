package check

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
	"github.com/popferry/popferry/fetcher/login"
)

// advice says what to do about a step that failed: what can be found out here
// and now, else the catalogue's remedy. It sends no password.
func (c *checker) advice(ctx context.Context, s config.Server, p probe.Protocol, st probe.Step) string {
	if st.Err == nil {
		return ""
	}
	why := cause.Of(st.Err)
	found := ""
	switch {
	case why.Code == "foreign_from":
		found = foreignFromAdvice(s)
	case why.Code == "imap_not_stored":
	case st.Name == probe.StepSend:
		found = "This was only a test message, so nothing is lost. Read the reply: real mail may be refused in the same way."
	case why.Code == "name":
		if p, near := provider.Near(s.Host); near != "" {
			found = fmt.Sprintf("Did you mean %s (%s)?", near, p.Title)
		}
	case strings.HasPrefix(why.Code, "cert"):
		found = certificateAdvice(st.Err)
	case slices.Contains(connectionCauses(), why.Code):
		found = c.otherWays(ctx, s, p, st.Name, why)
	case why.Code == "locked":
		found = why.Remedy + " popferry itself holds the lock while it polls this account."
	default:
		return LoginAdvice(s, why) + clearAdvice(s, why)
	}
	if found == "" {
		return why.Remedy
	}
	return found
}

// certificateAdvice says how to accept a certificate that is right.
func certificateAdvice(err error) string {
	e, ok := errors.AsType[*dial.CertificateError](err)
	if !ok {
		return ""
	}
	pin := fmt.Sprintf("tls_pin: \"%s\"", e.SHA256)
	switch e.Reason {
	case dial.NameMismatch:
		return hostAdvice(e) + "To accept exactly this certificate, set " + pin
	case dial.CommonNameOnly, dial.WeakSignature:
		return "The operator of the server has to replace it. Until then, you can accept exactly this certificate with " + pin
	case dial.PinMismatch:
		return "If the server has a new certificate, set " + pin + ". If not, someone may be intercepting the connection."
	case dial.NotYetValid:
		return "Check this machine's clock. If the certificate is genuine, set " + pin
	case dial.Expired:
		return "The operator of the server has to renew it. Until then, you can accept exactly this certificate with " + pin
	}
	return "If you trust it, for example because the server is your own, set " + pin + ", or tls_ca_file to the authority that signed it. If not, ask the provider."
}

// hostAdvice says how to call a server by a name that its certificate is for.
// Its common name alone is never accepted.
func hostAdvice(e *dial.CertificateError) string {
	mismatch, ok := errors.AsType[x509.HostnameError](e)
	if !ok || len(mismatch.Certificate.DNSNames)+len(mismatch.Certificate.IPAddresses) == 0 {
		return ""
	}
	i := slices.IndexFunc(e.Names, func(name string) bool { return !strings.Contains(name, "*") })
	if i < 0 {
		return fmt.Sprintf("If that is the right server, set host to a name that matches %s. ", e.Names[0])
	}
	return fmt.Sprintf("If that is the right server, set host: %s, or tls_server_name: %[1]s. ", e.Names[i])
}

// connectionCauses are those that another port or kind of TLS may help against.
func connectionCauses() []string {
	return []string{
		"not_tls", "tls", "port25", "refused_port", "connect", "proxy_no_server", "timeout", "cut", "starttls", "not_pop3", "protocol",
		"forward_wants_tls", "forward_no_auth", "forward_no_starttls", "forward_tls", "forward_not_smtp", "forward_session",
		"not_imap", "imap_no_starttls", "imap_wants_tls",
	}
}

// waysBeside are the ways to a server that may work where its own fails: the other
// kinds of TLS on its own port, if something answered there, and the registered ports.
func waysBeside(own probe.Way, p probe.Protocol, answered bool) (ways []probe.Way) {
	if answered {
		for _, mode := range []dial.Mode{dial.Implicit, dial.StartTLS} {
			ways = append(ways, probe.Way{Port: own.Port, Mode: mode})
		}
	}
	for _, w := range p.Ways() {
		if !slices.Contains(ways, w) {
			ways = append(ways, w)
		}
	}
	return slices.DeleteFunc(ways, func(w probe.Way) bool { return w == own })
}

// otherProtocols are the causes that say that a server speaks another protocol on a
// port: no kind of TLS makes it another one.
func otherProtocols() []string { return []string{"not_pop3", "not_imap", "forward_not_smtp"} }

// otherWays looks for ports and kinds of TLS on which a server answers.
func (c *checker) otherWays(ctx context.Context, s config.Server, p probe.Protocol, step string, why cause.Cause) string {
	if strings.HasPrefix(s.Host, "unix:") {
		return ""
	}
	own := probe.Way{Port: s.Port}
	own.Mode, _ = dial.ParseMode(s.TLS.Mode) // the configuration is checked
	ways := waysBeside(own, p, step != probe.StepName && step != probe.StepConnect && !slices.Contains(otherProtocols(), why.Code))
	if len(ways) == 0 {
		return ""
	}
	answers := bestFirst(probe.Search(ctx, c.Resources.Network, app.DialTarget(s), p, ways))
	if len(answers) == 0 {
		return why.Remedy + " Also tried, without an answer: " + joinWays(ways) + "."
	}
	best := answers[0]
	switch {
	case best.Mode == dial.None && own.Mode == dial.None && best.Port == own.Port: // as it is configured
		return why.Remedy
	case best.Mode == dial.None:
		return fmt.Sprintf("%s answers on port %d, but only without encryption. Ask the provider for another host; "+
			"with tls: none, the password would be sent unencrypted.", s.Host, best.Port)
	case best.Err != nil:
		return fmt.Sprintf("%s answers with %v, but its certificate is not accepted: %v.", s.Host, best.Way, best.Err)
	}
	var more []probe.Way
	for _, a := range answers[1:] {
		if a.Err == nil && a.Mode != dial.None {
			more = append(more, a.Way)
		}
	}
	if len(more) > 0 {
		return fmt.Sprintf("%s answers with %v. Use these settings. It also answers with %s.", s.Host, best.Way, joinWays(more))
	}
	return fmt.Sprintf("%s answers with %v. Use these settings.", s.Host, best.Way)
}

// bestFirst sorts answers: those that can be used, those with a certificate that is
// not accepted, those without encryption.
func bestFirst(answers []probe.Answer) []probe.Answer {
	rank := func(a probe.Answer) int {
		switch {
		case a.Mode == dial.None:
			return 2
		case a.Err != nil:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(answers, func(a, b probe.Answer) int { return rank(a) - rank(b) })
	return answers
}

func joinWays(ways []probe.Way) string {
	names := make([]string, len(ways))
	for i, w := range ways {
		names[i] = w.String()
	}
	return strings.Join(names, "; ")
}

// loginCauses are those that the provider's own rules may explain.
func loginCauses() []string {
	return []string{
		"credentials", "pop_off", "app_password", "oauth_needed", "login", "hung_up", "too_often",
		"forward_auth", "forward_app_password", "forward_oauth_needed",
	}
}

// LoginAdvice says what to do about a failure, with what is known of the
// provider's logins where that may explain it.
func LoginAdvice(s config.Server, why cause.Cause) string {
	if !slices.Contains(loginCauses(), why.Code) {
		return why.Remedy
	}
	p, known := provider.ForHost(s.Host)
	local, _, isAddress := strings.Cut(s.Username, "@")
	code := strings.TrimPrefix(why.Code, "forward_")
	refused := code == "credentials" || code == "auth" || code == "login"
	if !known {
		if refused && !isAddress {
			return why.Remedy + " Many servers expect the full address as username."
		}
		return why.Remedy
	}
	var parts []string
	if p.Auth == provider.AuthOAuth2 && !s.Token && (refused || code == "oauth_needed") {
		parts = append(parts, "accepts no passwords, only OAuth2: set oauth2, and run popferry login (popferry help oauth2).")
	}
	if p.AppPassword != nil && !s.Token && (refused || code == "app_password") {
		needs := "requires an app password, made for popferry alone"
		if p.AppPassword.If != "" {
			needs += ", if " + p.AppPassword.If
		}
		parts = append(parts, withStep(needs, p.AppPassword))
	}
	if p.EnablePOP != nil && (code == "credentials" || code == "pop_off") {
		parts = append(parts, withStep("requires POP3 to be switched on", p.EnablePOP))
	}
	if p.IMAPLimits.Enable != nil && why.Code == "forward_auth" && p.HasIMAP(s.Host) {
		parts = append(parts, withStep("requires IMAP to be switched on", p.IMAPLimits.Enable))
	}
	if p.MinInterval() > 0 && (code == "too_often" || code == "hung_up") {
		parts = append(parts, fmt.Sprintf("requires %v between two logins: set min_interval.", p.MinInterval()))
	}
	switch {
	case refused && p.Login == provider.LoginAddress && !isAddress:
		parts = append(parts, "expects the full address as username.")
	case refused && p.Login == provider.LoginLocalPart && isAddress:
		parts = append(parts, fmt.Sprintf("expects only %s as username.", local))
	}
	if len(parts) == 0 {
		return why.Remedy
	}
	name, _, _ := strings.Cut(p.Title, " (")
	advice := name + " " + strings.Join(parts, " It ")
	if refused {
		advice += " Then check the spelling of username and password."
	}
	return advice
}

// clearAdvice says that a refused login without TLS may be due to its method: some
// servers offer CRAM-MD5 or SCRAM, and have only hashes of their passwords.
func clearAdvice(s config.Server, why cause.Cause) string {
	if s.TLS.Mode != config.TLSNone || s.Auth != string(login.Auto) || s.Token || why.Code != "credentials" && why.Code != "forward_auth" {
		return ""
	}
	return " If the server offers CRAM-MD5 or SCRAM, popferry uses nothing else without TLS; if the password is right nevertheless, set auth: plain."
}

// withStep appends to a sentence what has to be done at the provider, and where.
func withStep(what string, s *provider.Step) string {
	how := strings.TrimSuffix(s.How, ".")
	switch {
	case s.URL == "":
		return what + ": " + how + "."
	case how == "":
		return what + ": " + s.URL
	}
	return what + ": " + s.URL + " (" + how + ")."
}
