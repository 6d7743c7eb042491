package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// program is what the commands share.
type program struct {
	stdout, stderr io.Writer
	configFlag     string
	wiring         wiring
	logging        *logging
	signals        signals                 // of a daemon
	console        func() terminal.Console // nil: nobody answers
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	p := &program{stdout: stdout, stderr: stderr, wiring: newWiring(), console: func() terminal.Console { return terminal.NewConsole(os.Stdin) }}
	root := &cobra.Command{
		Use:   "popferry",
		Short: "Take new mail out of POP3 mailboxes and hand it to an SMTP or LMTP server",
		Long: "popferry takes new mail out of POP3 mailboxes and hands it to an SMTP or LMTP server.\n" +
			"A message is deleted on its server only when the destination has accepted it.\n\n" +
			"Set it up: popferry init. See it work without an account: popferry demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:          noCommand,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(badFlag)
	root.AddCommand(p.initCommand(), p.runCommand(), p.statusCommand(), p.messagesCommand(), p.demoCommand(), p.versionCommand(), p.manCommand())
	root.AddCommand(p.pollCommand(), p.providersCommand(), p.checkCommand())
	root.AddCommand(p.retryCommand(), p.skipCommand(), p.showCommand())
	root.AddCommand(p.importCommand())
	root.AddCommand(p.adoptCommand(), p.resendCommand(), p.renameCommand(), p.forgetCommand())
	root.AddCommand(p.completionCommand())
	root.AddCommand(topics()...)
	refuseUnknownTopics(root)
	return root
}

// usage is an error in the command line, with the way to its help.
func usage(c *cobra.Command, err error) error {
	return &app.UsageError{Err: fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")}
}

// usageArgs gives a check of arguments the exit code for usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage(c, err)
		}
		return nil
	}
}

// withConfig gives a command the flag for the configuration file.
func (p *program) withConfig(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&p.configFlag, "config", "c", "",
		"configuration `FILE` (default: $POPFERRY_CONFIG, ./popferry.yaml,\n$XDG_CONFIG_HOME/popferry/popferry.yaml, /etc/popferry/popferry.yaml)")
	_ = c.MarkFlagFilename("config", "yaml", "yml") // fails where there is no such flag
	return c
}

// load finds and reads the configuration.
func (p *program) load() (*config.Config, error) {
	return p.loadWith(config.Env{CheckSchedule: schedule.Check})
}

// loadToLook reads the configuration for a command that logs in nowhere: the
// files with passwords may be out of its reach, as systemd's credentials are.
func (p *program) loadToLook() (*config.Config, error) {
	return p.loadWith(config.Env{CheckSchedule: schedule.Check, ReadOnly: true})
}

func (p *program) loadWith(env config.Env) (*config.Config, error) {
	path, err := config.Find(p.configFlag, env)
	if err != nil {
		return nil, &app.ConfigError{Err: err}
	}
	cfg, err := config.Load(path, env)
	if err != nil {
		return nil, &app.ConfigError{Err: fmt.Errorf("the configuration cannot be used:\n%w", err)}
	}
	return cfg, nil
}
