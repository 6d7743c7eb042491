package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/cmd/internal/report"
)

func (p *program) providersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "providers [NAME...]",
		Short: "Show the mail providers that popferry knows",
		Long: "Shows the mail providers that popferry knows, with their names for the key provider of an account. For each NAME it\n" +
			"shows all that is known, with the sources. A NAME is a provider, an address, a domain or a server:\n" +
			"popferry providers leo@gmail.com",
		ValidArgsFunction: completeProviders,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return report.PrintProviders(p.stdout, provider.All())
			}
			for i, word := range args {
				if i > 0 {
					_, _ = fmt.Fprintln(p.stdout)
				}
				known, ok := findProvider(word)
				if !ok {
					return unknownProvider(word)
				}
				if err := report.PrintProvider(p.stdout, known); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// findProvider finds a provider by anything that a user may know of it.
func findProvider(word string) (provider.Provider, bool) {
	for _, look := range []func(string) (provider.Provider, bool){provider.ByName, provider.ForAddress, provider.ForHost, provider.ForMX, byBrand} {
		if p, ok := look(word); ok {
			return p, true
		}
	}
	return provider.Provider{}, false
}

// byBrand finds a provider by a name that people have for it: that of its domain, as
// in "hotmail".
func byBrand(word string) (provider.Provider, bool) {
	return provider.ForAddress("any@" + word + ".com")
}

func unknownProvider(word string) error {
	hint := ""
	if _, near := provider.Near(word); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return &app.UsageError{Err: fmt.Errorf("no provider is known for %q%s", word, hint)}
}

// completeProviders offers the known mail providers.
func completeProviders(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, known := range provider.All() {
		names = append(names, cobra.CompletionWithDesc(known.Name, known.Title))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
