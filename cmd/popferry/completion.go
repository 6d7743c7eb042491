package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/signin"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) completionCommand() *cobra.Command {
	shells := []cobra.Completion{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the script for shell completion",
		Long: "Prints a script with which a shell completes commands, flags, states, and the accounts of the configuration.\n" +
			"The Debian package installs it. Otherwise save it where the shell looks when it starts:\n\n" +
			"    popferry completion bash \\\n" +
			"      >~/.local/share/bash-completion/completions/popferry  # bash-completion\n" +
			"    popferry completion zsh >\"${fpath[1]}/_popferry\"        # compinit\n" +
			"    popferry completion fish >~/.config/fish/completions/popferry.fish\n" +
			"    popferry completion powershell >popferry.ps1            # call it in $PROFILE",
		Args:      cobra.MatchAll(argsAre("bash, zsh, fish or powershell"), usageArgs(cobra.OnlyValidArgs)),
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

// completeAccounts offers the accounts of the configuration for the first max
// arguments, each once; 0 means all arguments. Without a readable configuration
// it offers none.
func (p *program) completeAccounts(max int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if max > 0 && len(args) >= max {
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

// completeTargets offers the accounts and destinations that are signed in to, for the
// first argument.
func (p *program) completeTargets(_ *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	cfg, err := p.loadReadOnly()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, t := range signin.Targets(cfg) {
		names = append(names, cobra.CompletionWithDesc(t.Name, t.Server.Username+" at "+t.Server.Host))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
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

// completeFlag sets how the values of a flag are completed.
func completeFlag(c *cobra.Command, flag string, by cobra.CompletionFunc) {
	_ = c.RegisterFlagCompletionFunc(flag, by) // fails if there is no such flag, which a test shows
}

// completeHelp offers commands and pages of the reference.
func completeHelp(c *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, sub := range c.Root().Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeInit completes the flags of init that take one of a few words.
func completeInit(c *cobra.Command) {
	for flag, words := range map[string][]cobra.Completion{
		"tls":              {config.TLSImplicit, config.TLSStart, config.TLSNone},
		"smtp-tls":         {config.TLSImplicit, config.TLSStart, config.TLSNone},
		"forward-protocol": {config.ProtocolSMTP, config.ProtocolLMTP, config.ProtocolIMAP},
		"leave-on-server":  {"true", "false", "14d"},
		"first-run":        {config.FirstRunAll, config.FirstRunNew},
	} {
		completeFlag(c, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	completeFlag(c, "provider", completeProviders)
}
