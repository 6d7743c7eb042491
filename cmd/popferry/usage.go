package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/spelling"
)

// usage returns an error about the command line that says where its help is.
func usage(c *cobra.Command, err error) error {
	return &app.UsageError{Err: fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")}
}

// usageArgs makes the errors of a check of arguments usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage(c, err)
		}
		return nil
	}
}

// argsAre refuses any arguments but these, whose names are those in the help.
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

// argsBegin requires these arguments, whose names are those in the help, and
// allows more after them.
func argsBegin(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		return argsAre(names...)(c, args[:min(len(args), len(names))])
	}
}

// noCommand refuses words that are not a command.
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
	return usage(c, fmt.Errorf("unknown command %q%s", args[0], spelling.Suggest(args[0], names)))
}

// refuseUnknownTopics makes help refuse what the program itself refuses: cobra
// prints the help of all commands and calls that success.
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

// badFlag is the error for a flag that is unknown or has a wrong value.
func badFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(c, err)
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return usage(c, fmt.Errorf("%w%s", err, spelling.Suggest("--"+unknown.GetSpecifiedName(), names)))
}
