package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/provider"
)

func (p *program) providersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "providers [NAME...]",
		Short: "Show the mail providers that are known",
		Long: "Shows the mail providers that popferry knows, for an account's key provider; of those that are named, all that is known\n" +
			"and where it is from. A NAME is a provider, an address, a domain or a server: popferry providers leo@gmail.com",
		ValidArgsFunction: completeProviders,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return p.listProviders()
			}
			for i, word := range args {
				if i > 0 {
					_, _ = fmt.Fprintln(p.stdout)
				}
				if err := p.showProvider(word); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (p *program) listProviders() error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PROVIDER\tPOP3 SERVER\tTITLE\tNOTES")
	for _, known := range provider.All() {
		server := "none"
		if len(known.POP3) > 0 {
			server = known.POP3[0].Addr()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", known.Name, server, known.Title, strings.Join(inShort(known), "; "))
	}
	return w.Flush()
}

// inShort is what a person has to know of a provider, a few words each.
func inShort(p provider.Provider) (notes []string) {
	for _, note := range []struct {
		is   bool
		text string
	}{
		{len(p.POP3) == 0, "no POP3"},
		{p.Auth == provider.AuthOAuth2, "OAuth2 only"},
		{p.EnablePOP != nil, "switch POP3 on first"},
		{p.AppPassword != nil, "app password"},
		{p.IntervalMinutes > 0, fmt.Sprintf("every %d min at most", p.IntervalMinutes)},
		{p.RETRHides, "gives each message once"},
	} {
		if note.is {
			notes = append(notes, note.text)
		}
	}
	return notes
}

// showProvider prints all that is known of the provider that a word means.
func (p *program) showProvider(word string) error {
	known, ok := namedProvider(word)
	if !ok {
		hint := ""
		if _, near := provider.Near(word); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return &app.UsageError{Err: fmt.Errorf("no provider is known for %q%s", word, hint)}
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s\t%s\n", known.Name, known.Title)
	for _, line := range details(known) {
		if line.text != "" {
			_, _ = fmt.Fprintf(w, "  %s\t%s\n", line.label, line.text)
		}
	}
	for _, source := range known.Sources {
		_, _ = fmt.Fprintf(w, "  source, %s\t%s\n", known.Checked, source)
	}
	return w.Flush()
}

// namedProvider finds a provider by whatever a person knows of it.
func namedProvider(word string) (provider.Provider, bool) {
	for _, look := range []func(string) (provider.Provider, bool){provider.ByName, provider.ForAddress, provider.ForHost, provider.ForMX} {
		if p, ok := look(word); ok {
			return p, true
		}
	}
	return provider.Provider{}, false
}

// detail is one line about a provider; without text it is left out.
type detail struct{ label, text string }

func details(p provider.Provider) []detail {
	var lines []detail
	for _, s := range p.POP3 {
		lines = append(lines, detail{"POP3", s.Addr() + ", tls: " + s.TLS})
	}
	for _, s := range p.SMTP {
		lines = append(lines, detail{"SMTP", s.Addr() + ", tls: " + s.TLS})
	}
	switch p.Login {
	case provider.LoginAddress:
		lines = append(lines, detail{"username", "the whole address"})
	case provider.LoginLocalPart:
		lines = append(lines, detail{"username", "what stands before the @ of the address"})
	}
	if p.Auth != "" {
		lines = append(lines, detail{"auth", p.Auth + ": no passwords, only OAuth2 access tokens (token_command)"})
	}
	if p.IntervalMinutes > 0 {
		lines = append(lines, detail{"min_interval", fmt.Sprintf("%dm", p.IntervalMinutes)})
	}
	if p.RETRHides {
		lines = append(lines, detail{"retrieved mail", "is not listed again; popferry keeps a copy until it is forwarded"})
	}
	return append(lines, detail{"switch POP3 on", step(p.EnablePOP)}, detail{"app password", step(p.AppPassword)},
		detail{"note", p.Note}, detail{"instead", p.Instead}, detail{"domains", strings.Join(p.Domains, " ")})
}

// step is what a person has to do, and where.
func step(s *provider.Step) string {
	if s == nil {
		return ""
	}
	if s.How == "" || s.URL == "" {
		return cmp.Or(s.How, s.URL)
	}
	return s.How + " <" + s.URL + ">"
}
