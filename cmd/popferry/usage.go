package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/spelling"
	"github.com/popferry/popferry/cmd/internal/terminal"
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
	var names, rare []string // of two that are alike the rarer one is not meant
	for _, sub := range c.Commands() {
		switch {
		case sub.GroupID == rarelyNeeded:
			rare = append(rare, sub.Name())
		case sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand():
			names = append(names, sub.Name())
		}
	}
	return usage(c, fmt.Errorf("unknown command %q%s", args[0], spelling.Suggest(args[0], append(names, rare...))))
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
	if words := c.Flags().Args(); c.HasSubCommands() && len(words) > 0 { // a misspelled command, whose flags are not known
		return noCommand(c, words)
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage(c, err)
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return usage(c, fmt.Errorf("%w%s", err, spelling.Suggest("--"+unknown.GetSpecifiedName(), names)))
}

// helpWidth is how wide help is at most, in columns, and where it is not shown on a
// terminal.
const helpWidth = 80

// rarelyNeeded is the group of commands that few look for.
const rarelyNeeded = "rare"

// setHelp makes help fit the terminal, and puts the commands into groups.
func setHelp(root *cobra.Command, out io.Writer) {
	for _, g := range []struct {
		id, title string
		commands  []string
	}{
		{"start", "To begin:", []string{"init", "import", "demo", "login", "providers"}},
		{"run", "To run and look:", []string{"run", "check", "poll", "status", "messages", "show"}},
		{"settle", "To settle what popferry cannot decide:", []string{"retry", "skip", "adopt", "resend", "rename", "forget", "quarantine"}},
		{rarelyNeeded, "Rarely needed:", []string{"healthy", "logout", "state", "version", "completion", "help"}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range root.Commands() {
			if slices.Contains(g.commands, c.Name()) {
				c.GroupID = g.id
			}
		}
	}
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		width := terminal.Width(out)
		if width == 0 || width > helpWidth {
			width = helpWidth
		}
		_, _ = io.WriteString(out, help(c, width))
	})
}

// help is the help of a command.
func help(c *cobra.Command, width int) string {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	parts := []string{terminal.WrapText(joinLines(text), width)}
	switch {
	case !c.HasAvailableSubCommands():
		parts = append(parts, "Usage:\n  "+c.UseLine())
	case c.HasParent():
		uses := ""
		if c.Flags().Lookup("config") != nil { // else it only has commands
			uses = "\n  " + c.UseLine()
		}
		for _, sub := range c.Commands() {
			uses += "\n  " + sub.UseLine()
		}
		parts = append(parts, "Usage:"+uses, "popferry help "+c.Name()+" COMMAND has more about a command.")
	default:
		for _, g := range c.Groups() {
			parts = append(parts, g.Title+"\n"+commandList(c, width, func(sub *cobra.Command) bool { return sub.GroupID == g.ID && sub.IsAvailableCommand() }))
		}
		parts = append(parts, "Pages to read with popferry help PAGE:\n"+commandList(c, width, (*cobra.Command).IsAdditionalHelpTopicCommand))
		parts = append(parts, "popferry help COMMAND has the flags of a command.")
	}
	if c.HasExample() {
		parts = append(parts, "Examples:\n"+c.Example)
	}
	if flags := c.LocalFlags(); flags.HasAvailableFlags() {
		parts = append(parts, "Flags:\n"+strings.TrimRight(flags.FlagUsagesWrapped(width), "\n"))
	}
	return strings.Join(parts, "\n\n") + "\n"
}

// commandList lists those subcommands that are wanted.
func commandList(c *cobra.Command, width int, wanted func(*cobra.Command) bool) string {
	var lines []string
	for _, sub := range c.Commands() {
		if wanted(sub) {
			before := fmt.Sprintf("  %-14s", sub.Name())
			lines = append(lines, before+terminal.Wrap(sub.Short, width, len(before), len(before)))
		}
	}
	return strings.Join(lines, "\n")
}

// joinLines joins the lines of each paragraph, which are wrapped for the source.
// Indented lines stay as they are.
func joinLines(text string) string {
	var b strings.Builder
	before := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case b.Len() == 0:
		case before == "" || line == "" || strings.HasPrefix(line, " ") || strings.HasPrefix(before, " "):
			b.WriteString("\n")
		default:
			b.WriteString(" ")
		}
		b.WriteString(line)
		before = line
	}
	return b.String()
}

// joinFlagLines does the same with what is said of each flag.
func joinFlagLines(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "\n", " ") })
	for _, sub := range c.Commands() {
		joinFlagLines(sub)
	}
}
