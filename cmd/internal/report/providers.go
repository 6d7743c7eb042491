package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// PrintProviders prints a table of providers.
func PrintProviders(out io.Writer, list []provider.Provider) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PROVIDER\tPOP3 SERVER\tTITLE\tNOTES")
	for _, p := range list {
		server := "none"
		if len(p.POP3) > 0 {
			server = p.POP3[0].Addr()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, server, p.Title, strings.Join(providerNotes(p), "; "))
	}
	return w.Flush()
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
		{p.AppPassword != nil, "app password"},
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
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s\t%s\n", p.Name, p.Title)
	line := func(label, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(w, "  %s\t%s\n", label, text)
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
	return w.Flush()
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
	if s.How == "" || s.URL == "" {
		return cmp.Or(s.How, s.URL)
	}
	return s.How + " <" + s.URL + ">"
}
