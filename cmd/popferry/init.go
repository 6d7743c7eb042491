package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/invocation"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/service"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/forwarder/imap"
)

func (p *program) initCommand() *cobra.Command {
	var in setup.Input
	var yes, poll bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Set up a mailbox: find its servers, try them, write the configuration",
		Long: "Asks for a mail address, its password, and the inbox that receives the mail; finds the servers of both, tries them,\n" +
			"and writes what works: popferry.yaml with the inbox, and a file in accounts.d for the mailbox. If popferry.yaml\n" +
			"exists already, init adds another mailbox to it. It never overwrites a file. All files are readable only by you\n" +
			"(mode 0600), and passwords are in files of their own. Without --config they go to ~/.config/popferry, for root to\n" +
			"/etc/popferry, where the other commands find them.\n\n" +
			"An inbox at a provider whose SMTP server rewrites or refuses mail from others, or may do so, is reached by IMAP:\n" +
			"each message is put into it as its sender wrote it, and no spam filter and no rules of the provider look at it.\n" +
			"An inbox that is a folder of this machine, a Maildir, is named by its path.\n\n" +
			"Servers are found by built-in presets, the domain's autoconfig, Thunderbird's database, SRV records and guesses.\n" +
			"A password is sent only over TLS, to a server with a verified certificate, unless you allow otherwise.\n\n" +
			"init does not ask for what a flag says. With --yes it does not ask at all: --address, --password-file, and --to or\n" +
			"--maildir are required then.\n\n" +
			"Exit codes: 0 set up; 75 set up, but the first poll failed; 78 the existing configuration cannot be\n" +
			"extended; 64 usage; 1 anything else. A failure before the first poll leaves no files behind.",
		Example: "  popferry init\n" +
			"  popferry init --yes --address leo@example.net --password-file isp.txt \\\n" +
			"    --to leo@example.org --smtp-password-file inbox.txt --poll",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := in.Check(); err != nil {
				return usage(c, err)
			}
			front := p.newFrontEnd(yes)
			defer func() { _ = front.Close() }() // a terminal that is gone needs nothing
			result, err := p.setUp(c.Context(), in, front, yes)
			if wrong, ok := errors.AsType[*app.UsageError](err); ok {
				return usage(c, wrong.Err)
			}
			if err != nil {
				return err
			}
			if !poll && front.Interactive() {
				poll, _ = front.Confirm(c.Context(), "\nCollect and forward mail now?", true) // it is set up, also if the user leaves now
			}
			if poll {
				err = p.pollFirst(c.Context(), result)
			}
			p.sayNext(front, result)
			return err
		},
	}
	defineInput(c, &in)
	c.Flags().BoolVar(&yes, "yes", false, "ask nothing")
	c.Flags().BoolVar(&poll, "poll", false, "poll once at the end (default: ask)")
	completeInit(c)
	return p.withConfig(c)
}

// sayNext says what the user can do next, and how to keep popferry running.
func (p *program) sayNext(front frontEnd, result setup.Result) {
	v := invocation.New(p.arg0, naming(result.Config))
	say := func(command, does string) { _, _ = fmt.Fprintf(p.stdout, "  %s\n      %s\n", v.Command(command), does) }
	front.Say("\nNext:")
	if service.InImage() && service.Here().Kind() == service.Compose {
		_, _ = fmt.Fprint(p.stdout, composeNext)
		return
	}
	if result.Added {
		front.Say("  A running popferry picks up the new account by itself.")
	} else {
		say("run", "collects mail every 10 minutes, until you stop it; its ledger is\n      "+result.Ledger)
	}
	say("init", "adds another mailbox")
	if result.Added {
		return
	}
	program, err := os.Executable()
	if err != nil || invocation.New(program, "").Program != program { // made by go run, for now
		front.Say("To keep it running, install the program: popferry help service")
		return
	}
	kind := service.Here().Kind()
	front.Say("\nTo keep it running, by %s (popferry help service has other ways):\n", kind)
	_, _ = fmt.Fprint(p.stdout, service.Setup{Program: program, Config: naming(result.Config), StateDir: stateDir()}.Commands(kind))
}

// composeNext is what the user of the container image does next.
const composeNext = `  docker compose up -d
      collects mail every 10 minutes; a running one picks up the new account
  docker compose run --rm popferry init
      adds another mailbox
  docker compose exec popferry popferry status
      shows how the mailboxes are
`

// naming is how a command has to be told of a configuration: "" if it looks there
// first.
func naming(path string) string {
	if found, err := config.Find("", config.Env{}); err == nil && found == path && (os.Getenv("POPFERRY_CONFIG") == "" || service.InImage()) {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// stateDir is the folder of the ledger, if it depends on the user's environment; "": it
// does not.
func stateDir() string {
	if os.Getenv("XDG_STATE_HOME") == "" && os.Getenv("STATE_DIRECTORY") == "" {
		return ""
	}
	return filepath.Dir(config.DefaultState(config.Env{}))
}

func defineInput(c *cobra.Command, in *setup.Input) {
	s := c.Flags()
	s.StringVar(&in.Address, "address", "", "mail `ADDRESS` of the mailbox")
	s.StringVar(&in.Mailbox.PasswordFile, "password-file", "", "`FILE` with the mailbox's password; it is copied")
	s.StringVar(&in.Mailbox.OAuth2, "oauth2", "", "instead of a password, sign in by OAuth2: `KEY=VALUE,...` with the keys of oauth2 in the configuration, such as\nprovider=microsoft,client_id=...")
	s.StringVar(&in.Mailbox.Host, "host", "", "`HOST` of the POP3 server (default: found by the address)")
	s.IntVar(&in.Mailbox.Port, "port", 0, "`PORT` of the POP3 server")
	s.StringVar(&in.Mailbox.TLS, "tls", "", "TLS `MODE` of the POP3 server: implicit, starttls, or none (no encryption at all)")
	s.StringVar(&in.Mailbox.Username, "username", "", "user `NAME` at the POP3 server (default: made from the address)")
	s.StringVar(&in.Provider, "provider", "", "`NAME` of the mail provider, as popferry providers lists it")
	s.StringVar(&in.Name, "name", "", "`NAME` of the account (default: the address)")
	s.StringVar(&in.Leave, "leave-on-server", "", "how long forwarded mail stays on the server: true, forever (the default); false, not at all;\nor a `TIME` such as 14d, 2w or 36h")
	s.StringVar(&in.FirstRun, "first-run", "", "`WHICH` mail to forward: all, including what is already there (the default); new, only what arrives from now on;\n30d, also what is there and younger")
	s.StringVar(&in.To, "to", "", "`ADDRESS` of the inbox that receives the mail")
	s.StringVar(&in.Maildir, "maildir", "", "instead of --to: the inbox is this `FOLDER` of this machine, a Maildir")
	s.StringVar(&in.From, "from", "", "envelope `SENDER` (default: the user name for sending if that is an address, else the inbox)")
	s.StringVar(&in.Inbox.Host, "smtp-host", "", "`HOST` that accepts the mail, by whatever protocol (default: found by the inbox's address), or unix:/path of\nan LMTP socket")
	s.IntVar(&in.Inbox.Port, "smtp-port", 0, "`PORT` of that server")
	s.StringVar(&in.Inbox.TLS, "smtp-tls", "", "TLS `MODE` of that server: implicit, starttls, or none (no encryption at all)")
	s.StringVar(&in.Inbox.Username, "smtp-username", "", "user `NAME` at that server (default: made from the inbox's address)")
	s.StringVar(&in.Inbox.PasswordFile, "smtp-password-file", "", "`FILE` with the password for that server; it is copied (default: no login)")
	s.StringVar(&in.Inbox.OAuth2, "smtp-oauth2", "", "the same for that server: `KEY=VALUE,...`")
	s.StringVar(&in.Protocol, "forward-protocol", "", "`PROTOCOL` of that server: smtp, lmtp or imap (default: imap at a provider whose SMTP server may not take\nmail from others, lmtp at a socket, else smtp)")
	s.BoolFunc("lmtp", "the same as --forward-protocol lmtp", func(string) error { in.Protocol = config.ProtocolLMTP; return nil })
	s.StringVar(&in.Forward, "forward", "", "`NAME` of the destination to use, if popferry.yaml exists already (default: its first)")
	s.StringVar(&in.CAFile, "ca-file", "", "PEM `FILE` with a certificate authority of your own, to verify the servers")
	s.StringVar(&in.Proxy, "proxy", "", "`PROXY` that leads to the servers, as in the configuration: socks5://[USER@]HOST:PORT, http://[USER@]HOST:PORT,\nor command:PROGRAM ARGUMENTS")
	s.StringVar(&in.ProxyPasswordFile, "proxy-password-file", "", "`FILE` with the password for the proxy; it is copied")
}

// frontEnd is the terminal as package setup wants it.
type frontEnd struct {
	*terminal.Dialogue
	*check.Text
}

func (p *program) newFrontEnd(silent bool) frontEnd {
	var console terminal.Console
	if !silent {
		console = p.console()
	}
	out := invocation.NewWrapped(p.stdout, p.invoked())
	return frontEnd{terminal.NewDialogue(out, console), check.NewText(out, terminal.Is(out), os.Getenv)}
}

// setUp runs the set-up. Ctrl-C ends it and leaves no files behind.
func (p *program) setUp(ctx context.Context, in setup.Input, front frontEnd, yes bool) (setup.Result, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	silent := "stdin is not a terminal, so init cannot ask"
	if yes {
		silent = "--yes: init does not ask"
	}
	o := p.setupOptions()
	o.Input, o.FrontEnd, o.Silent, o.Config = in, front, silent, p.configFlag
	return setup.Run(ctx, o)
}

// setupOptions are what all set-ups have in common, at a terminal and on the page.
func (p *program) setupOptions() setup.Options {
	return setup.Options{Network: p.resources.Network, Resolver: p.resolver, Transport: p.transport, Rules: p.rules, IMAP: openIMAP, Remote: remote()}
}

// openIMAP opens an inbox at an IMAP server, to be tried.
func openIMAP(l probe.Link, username string, secret func(context.Context) (string, error), token bool) probe.Checker {
	return imap.New(imap.Options{Dial: l.Dial, StartTLS: l.StartTLS, Greeted: l.Greeted, Passed: l.Passed, Username: username, Secret: secret, Token: token, Connections: 1})
}

// pollFirst polls the new account once. The user reads the summary, so the log
// has only warnings. That messages wait for their next try is no failure: what is set
// up tries them again, and the next command may be what starts it.
func (p *program) pollFirst(ctx context.Context, r setup.Result) error {
	cfg, err := app.Load(r.Config)
	if err != nil {
		return err
	}
	if err := app.Select(cfg, []string{r.Account}); err != nil {
		return err
	}
	cfg.Log.Level = max(cfg.Log.Level, slog.LevelWarn)
	return p.run(ctx, cfg, runFlags{once: true, verbose: !terminal.Is(p.stdout), okIfWaiting: true}, []string{r.Account}, daemon.Signals{})
}
