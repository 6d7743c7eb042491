package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/signin"
)

func (p *program) loginCommand() *cobra.Command {
	var flow string
	c := &cobra.Command{
		Use:   "login NAME",
		Short: "Sign in to a mailbox by OAuth2",
		Long: "Signs in to the account or destination NAME, which has oauth2 in the configuration: popferry help oauth2 says how\n" +
			"to get that far. The sign-in is kept in the ledger, popferry renews it by itself, and in the end the mailbox is\n" +
			"tried. A running popferry needs no restart. All accounts and destinations with the same provider, client and user\n" +
			"share the sign-in.\n\n" +
			"Exit codes: 0 signed in; 75 signed in, but the mailbox cannot be logged in to; 78 configuration; 64 usage; 1 anything\n" +
			"else: then an earlier sign-in is as it was.",
		RunE: func(c *cobra.Command, args []string) error {
			if flow != "" && !slices.Contains(signin.Flows(), flow) {
				return usage(c, fmt.Errorf("--flow: %q is none of %s", flow, strings.Join(signin.Flows(), ", ")))
			}
			return p.withTarget(c, args[0], func(ctx context.Context, o signin.Options, t signin.Target) error {
				o.Flow = signin.Flow(flow)
				ok, err := signin.Login(ctx, o, t)
				if err == nil && !ok {
					err = &app.TryAgainError{}
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&flow, "flow", "", "`HOW` to sign in: device, with a code on any device; browser, on this machine; paste, with a browser elsewhere\nwhose last address you paste here (default: device where the provider has it, as Microsoft does; else it asks)")
	completeFlag(c, "flow", cobra.FixedCompletions(signin.Flows(), cobra.ShellCompDirectiveNoFileComp))
	return p.ofTarget(c)
}

func (p *program) logoutCommand() *cobra.Command {
	return p.ofTarget(&cobra.Command{
		Use:   "logout NAME",
		Short: "Forget a sign-in by OAuth2",
		Long: "Removes the sign-in of the account or destination NAME from the ledger, and then has the provider end it where that\n" +
			"can be asked for: at Google, and where provider is an issuer that offers it. Microsoft has no such way, so remove\n" +
			"popferry's access in the settings of your account there. popferry login signs in again.",
		RunE: func(c *cobra.Command, args []string) error { return p.withTarget(c, args[0], signin.Logout) },
	})
}

// ofTarget completes a command whose argument is a target.
func (p *program) ofTarget(c *cobra.Command) *cobra.Command {
	c.Args = argsAre("NAME")
	c.ValidArgsFunction = p.completeTargets
	return p.withConfig(c)
}

// remote reports whether there is probably no browser on this machine.
func remote() bool { return cmp.Or(os.Getenv("SSH_CONNECTION"), os.Getenv("SSH_TTY")) != "" }

// withTarget calls do with the account or destination of this name. Ctrl-C ends it.
func (p *program) withTarget(c *cobra.Command, name string, do func(context.Context, signin.Options, signin.Target) error) (err error) {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	t, err := signin.Find(cfg, name)
	if wrong, ok := errors.AsType[*app.UsageError](err); ok {
		return usage(c, wrong.Err)
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	front := p.newFrontEnd(false)
	defer func() { err = errors.Join(err, front.Close()) }()
	err = do(ctx, signin.Options{Config: cfg, Ledger: store, Resources: p.resources, FrontEnd: front, Remote: remote()}, t)
	if ctx.Err() != nil {
		front.Say("") // below the question
	}
	return err
}
