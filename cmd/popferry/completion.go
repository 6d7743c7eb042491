package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) completionCommand() *cobra.Command {
	shells := []cobra.Completion{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print what lets a shell complete popferry's command line",
		Long: "Prints what lets a shell complete commands, flags, states, and the accounts of the configuration. The Debian\n" +
			"package brings it; else each shell has its own place for it, and reads it when it is started:\n\n" +
			"    popferry completion bash >~/.local/share/bash-completion/completions/popferry    # with bash-completion\n" +
			"    popferry completion zsh >\"${fpath[1]}/_popferry\"                                 # with compinit\n" +
			"    popferry completion fish >~/.config/fish/completions/popferry.fish\n" +
			"    popferry completion powershell >popferry.ps1                                     # to be called by $PROFILE",
		Args:      usageArgs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			write := map[string]func(io.Writer) error{
				"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
				"zsh":        root.GenZshCompletion,
				"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
				"powershell": root.GenPowerShellCompletionWithDesc,
			}
			return write[args[0]](p.stdout)
		},
	}
}

// completeAccounts offers the accounts of the configuration for the first so
// many arguments, each once; 0: for all. Without a configuration that can be
// read there are none.
func (p *program) completeAccounts(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, err := p.loadReadOnly()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, a := range cfg.Accounts {
			if !slices.Contains(args, a.Name) {
				names = append(names, cobra.CompletionWithDesc(a.Name, a.Username+" at "+a.Host))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeAccount offers the accounts for a flag.
func (p *program) completeAccount(c *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.completeAccounts(0)(c, nil, word)
}

// allStates accepts every state.
func allStates(ledger.State) bool { return true }

// states returns the names of the states that are accepted.
func states(accepted func(ledger.State) bool) (names []string) {
	for _, s := range ledger.States() {
		if accepted(s) {
			names = append(names, s.String())
		}
	}
	return names
}

// completeStates offers the states that are accepted, for a flag.
func completeStates(accepted func(ledger.State) bool) cobra.CompletionFunc {
	return cobra.FixedCompletions(states(accepted), cobra.ShellCompDirectiveNoFileComp)
}

// completeFlag has a flag's values completed.
func completeFlag(c *cobra.Command, flag string, by cobra.CompletionFunc) {
	_ = c.RegisterFlagCompletionFunc(flag, by) // fails where there is no such flag, which a test shows
}

// completeProviders offers the mail providers that are known.
func completeProviders(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, known := range provider.All() {
		names = append(names, cobra.CompletionWithDesc(known.Name, known.Title))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeInit has the flags of init completed that take one of a few words.
func completeInit(c *cobra.Command) {
	for flag, words := range map[string][]cobra.Completion{
		"tls":             {config.TLSImplicit, config.TLSStart, config.TLSNone},
		"smtp-tls":        {config.TLSImplicit, config.TLSStart, config.TLSNone},
		"leave-on-server": {"true", "false", "14d"},
		"first-run":       {config.FirstRunAll, config.FirstRunNew},
	} {
		completeFlag(c, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	completeFlag(c, "provider", completeProviders)
}
