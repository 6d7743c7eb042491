// popferry collects new mail from POP3 mailboxes and forwards it to an SMTP or
// LMTP server. See README.md.
//
// The package has the command line: a file for each command, which reads flags
// and calls a package below cmd/internal. Only main knows the exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/invocation"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes, from sysexits.h where it has one.
const (
	exitOK     = 0
	exitOther  = 1
	exitUsage  = 64
	exitAgain  = 75 // an account or message has to be tried again
	exitConfig = 78
)

// run is the whole program: results go to stdout, everything else to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stdout, stderr = terminal.NewScreen(stdout), terminal.NewScreen(stderr)
	cmd := newRoot(stdout, stderr)
	cmd.SetArgs(args)
	c, err := cmd.ExecuteContextC(ctx)
	return exitCode(err, invocation.NewProse(stderr, invocation.New(os.Args[0], configFlag(c))))
}

// configFlag is the value of a command's --config; "" if there is none.
func configFlag(c *cobra.Command) string {
	if f := c.Flags().Lookup("config"); f != nil {
		return f.Value.String()
	}
	return ""
}

// exitCode prints a command's error and returns the exit code for it.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	again, isAgain := errors.AsType[*app.TryAgainError](err)
	if isAgain && again.Err == nil {
		return exitAgain // the reason is printed already
	}
	_, _ = fmt.Fprintf(stderr, "popferry: %s\n", terminal.Escape(err.Error()))
	_, isUsage := errors.AsType[*app.UsageError](err)
	_, isConfig := errors.AsType[*app.ConfigError](err)
	switch {
	case isUsage:
		return exitUsage
	case isConfig:
		return exitConfig
	case isAgain:
		return exitAgain
	}
	return exitOther
}
