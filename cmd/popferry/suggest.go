package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/spelling"
)

// meant is the word that was probably meant, as the end of a message; "" if
// none is near.
func meant(word string, among []string) string {
	near := spelling.Nearest(word, among, len(word)/3+1) // with more slips it is another word
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

// noCommand refuses what is no command.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			names = append(names, sub.Name())
		}
	}
	return usage(c, fmt.Errorf("unknown command %q%s", args[0], meant(args[0], names)))
}

// refuseUnknownTopics has help refuse what is no command as the program itself
// does: cobra's own prints the help of all and calls that success.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Use, c.Short = "help [COMMAND|PAGE]", "Help about a command, or a page of the reference"
			c.ValidArgsFunction = completeHelp
			c.Args = func(_ *cobra.Command, topic []string) error {
				found, rest, err := root.Find(topic)
				if err != nil || found != root {
					return err
				}
				return noCommand(root, rest)
			}
		}
	}
}

// badFlag tells of a flag that cannot be read, or is none.
func badFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(c, err)
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return usage(c, fmt.Errorf("%w%s", err, meant("--"+unknown.GetSpecifiedName(), names)))
}

// noAccount is an account that is not in the configuration, with the one that
// was probably meant, or else all if these are few.
func noAccount(cfg *config.Config, name string) error {
	const few = 5
	var names []string
	for _, a := range cfg.Accounts {
		names = append(names, a.Name)
	}
	hint := meant(name, names)
	if hint == "" && len(names) > 0 && len(names) <= few {
		hint = "; there are: " + strings.Join(names, ", ")
	}
	return fmt.Errorf("there is no account %q in %s%s", name, cfg.Path, hint)
}

// argsAre refuses any arguments but these, which are named as the help has them.
func argsAre(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage(c, fmt.Errorf("missing: %s", strings.Join(names[len(args):], " and ")))
		case len(args) > len(names):
			return usage(c, fmt.Errorf("%q is one argument too many", args[len(names)]))
		}
		return nil
	}
}
