// popferry takes new mail out of POP3 mailboxes and hands it to an SMTP or
// LMTP server. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes; those of sysexits.h where there is one.
const (
	exitOK     = 0
	exitOther  = 1
	exitUsage  = 64
	exitAgain  = 75 // some account or message has to be tried again
	exitConfig = 78
)

// exitError ends the program with a code. A nil Err has been told already.
type exitError struct {
	Code int
	Err  error
}

func (e *exitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}

func (e *exitError) Unwrap() error { return e.Err }

// run is the whole program: results go to stdout, all else to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := newRoot(stdout, stderr)
	cmd.SetArgs(args)
	return exitCode(cmd.ExecuteContext(ctx), stderr)
}

// exitCode is what a command's error means, which it tells.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	code := exitOther
	var exit *exitError
	if errors.As(err, &exit) {
		if code, err = exit.Code, exit.Err; err == nil {
			return code
		}
	}
	_, _ = fmt.Fprintf(stderr, "popferry: %v\n", err)
	return code
}
