package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// PrintProviders prints a table of providers.
func PrintProviders(out io.Writer, list []provider.Provider) error {
	var t terminal.Table
	t.Row("PROVIDER", "POP3 SERVER", "TITLE AND NOTES")
	for _, p := range list {
		server := "none"
		if len(p.POP3) > 0 {
			server = p.POP3[0].Addr()
		}
		t.Row(p.Name, server, strings.Join(append([]string{p.Title}, providerNotes(p)...), "; "))
	}
	return t.Print(out, terminal.Width(out))
}

// providerNotes returns what a user has to know of a provider, a few words each.
func providerNotes(p provider.Provider) (notes []string) {
	for _, note := range []struct {
		applies bool
		text    string
	}{
		{len(p.POP3) == 0, "no POP3"},
		{p.Auth == provider.AuthOAuth2, "OAuth2 only"},
		{p.EnablePOP != nil, "switch POP3 on first"},
		{p.AppPassword != nil && p.AppPassword.If == "", "app password"},
		{p.AppPassword != nil && p.AppPassword.If != "", "app password with 2FA"},
		{p.IntervalMinutes > 0, fmt.Sprintf("every %d min at most", p.IntervalMinutes)},
		{p.RETRHides, "gives each message once"},
		{p.Submission.Damages(), "as inbox: by IMAP"},
	} {
		if note.applies {
			notes = append(notes, note.text)
		}
	}
	return notes
}

// PrintProvider prints all that is known of a provider, and the sources.
func PrintProvider(out io.Writer, p provider.Provider) error {
	var t terminal.Table
	t.Row(p.Name, p.Title)
	line := func(label, text string) {
		if text != "" {
			t.Row("  "+label, text)
		}
	}
	for _, servers := range []struct {
		protocol string
		list     []provider.Server
	}{{"POP3", p.POP3}, {"SMTP", p.SMTP}, {"IMAP", p.IMAP}} {
		for _, s := range servers.list {
			line(servers.protocol, s.Addr()+", tls: "+s.TLS)
		}
	}
	line("username", providerLogin(p.Login))
	if p.IMAPLimits.Login != "" {
		line("username, IMAP", providerLogin(p.IMAPLimits.Login))
	}
	if p.Auth != "" {
		line("auth", p.Auth+": no passwords, only OAuth2 (popferry help oauth2)")
	}
	if p.IntervalMinutes > 0 {
		line("min_interval", fmt.Sprintf("%dm", p.IntervalMinutes))
	}
	if p.RETRHides {
		line("retrieved mail", "is not listed again; popferry keeps a copy until it is forwarded")
	}
	line("switch POP3 on", providerStep(p.EnablePOP))
	line("app password", providerStep(p.AppPassword))
	line("note", p.Note)
	for _, l := range providerAsInbox(p) {
		line(l.label, l.text)
	}
	line("instead", p.Instead)
	line("domains", strings.Join(p.Domains, " "))
	for _, source := range p.Sources {
		line("source, "+p.Checked, source)
	}
	return t.Print(out, terminal.Width(out))
}

// labelled is one line about a provider.
type labelled struct{ label, text string }

// providerAsInbox returns what is known of the provider as a destination.
func providerAsInbox(p provider.Provider) (lines []labelled) {
	add := func(label, format string, args ...any) {
		lines = append(lines, labelled{label, fmt.Sprintf(format, args...)})
	}
	s := p.Submission
	switch {
	case s.Damages():
		add("as inbox", "SMTP %s; deliver by protocol: imap", s.Effect())
	case p.PrefersIMAP():
		add("as inbox", "not known whether SMTP takes mail from others; protocol: imap does")
	}
	if s.Reply != "" {
		add("refusal by SMTP", "%s", s.Reply)
	}
	if s.Source != "" {
		add("source, "+s.Checked, "%s", s.Source)
	}
	l := p.IMAPLimits
	if l.Enable != nil {
		add("switch IMAP on", "%s", providerStep(l.Enable))
	}
	if l.AppendLimit > 0 {
		add("IMAP, a message", "%d octets at most", l.AppendLimit)
	}
	if l.DailyUpload > 0 {
		add("IMAP, a day", "%s at most", terminal.Size(l.DailyUpload))
	}
	if l.Note != "" {
		add("IMAP, note", "%s", l.Note)
	}
	for _, source := range l.Sources {
		add("source, "+l.Checked, "%s", source)
	}
	return lines
}

// providerLogin says what the user name is.
func providerLogin(login string) string {
	switch login {
	case provider.LoginAddress:
		return "the whole address"
	case provider.LoginLocalPart:
		return "the part of the address before the @"
	}
	return ""
}

// providerStep returns what a user has to do, and where.
func providerStep(s *provider.Step) string {
	if s == nil {
		return ""
	}
	text := cmp.Or(s.How, s.URL)
	if s.How != "" && s.URL != "" {
		text += " <" + s.URL + ">"
	}
	if s.If != "" {
		text = "if " + s.If + ": " + text
	}
	return text
}
