package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/popferry/popferry/cmd/internal/provider"
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
	for _, s := range p.POP3 {
		line("POP3", s.Addr()+", tls: "+s.TLS)
	}
	for _, s := range p.SMTP {
		line("SMTP", s.Addr()+", tls: "+s.TLS)
	}
	switch p.Login {
	case provider.LoginAddress:
		line("username", "the whole address")
	case provider.LoginLocalPart:
		line("username", "the part of the address before the @")
	}
	if p.Auth != "" {
		line("auth", p.Auth+": no passwords, only OAuth2 access tokens (token_command)")
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
	line("instead", p.Instead)
	line("domains", strings.Join(p.Domains, " "))
	for _, source := range p.Sources {
		line("source, "+p.Checked, source)
	}
	return w.Flush()
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
