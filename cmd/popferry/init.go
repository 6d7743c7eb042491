package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// initFlags are the flags of init: what a person knows already.
type initFlags struct {
	address  string
	mailbox  serverFlags
	provider string
	name     string
	leave    string
	firstRun string

	to, from string
	inbox    serverFlags
	lmtp     bool
	forward  string

	caFile    string
	yes, poll bool
}

// serverFlags are those of one server.
type serverFlags struct {
	host, tls, username, passwordFile string
	port                              int
}

func (p *program) initCommand() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use:   "init",
		Short: "Set up a mailbox: find its servers, try them, write the configuration",
		Long: "Asks for a mail address, its password and the inbox that its mail shall go to; finds the servers of both,\n" +
			"tries them, and writes what works: popferry.yaml with the inbox, and a file in accounts.d for the mailbox.\n" +
			"Where popferry.yaml is there already, another mailbox is added to it. No file is ever overwritten; all are\n" +
			"for their owner only (mode 0600), with passwords in files of their own.\n\n" +
			"Servers are found by built-in presets, the domain's autoconfig, Thunderbird's database, SRV records and\n" +
			"guesses. A password goes out only in TLS, to a server whose certificate was checked.\n\n" +
			"What a flag says is not asked. With --yes nothing is: --address, --password-file and --to are needed then.\n\n" +
			"Exit codes: 0 set up, 75 set up, and the first poll has left something to do, 78 the configuration that is\n" +
			"there cannot be added to, 64 usage, 1 anything else. What fails before the first poll leaves nothing behind.",
		Example: "  popferry init\n" +
			"  popferry init --yes --address leo@example.net --password-file isp.txt --to leo@example.org --smtp-password-file inbox.txt --poll",
		Args:              usageArgs(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return usage(c, err)
			}
			return p.init(c.Context(), c, f)
		},
	}
	f.define(c)
	completeInit(c)
	return p.withConfig(c)
}

func (f *initFlags) define(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.address, "address", "", "mail `ADDRESS` whose mailbox is fetched from")
	s.StringVar(&f.mailbox.passwordFile, "password-file", "", "`FILE` with the mailbox's password; it is copied")
	s.StringVar(&f.mailbox.host, "host", "", "POP3 server `HOST`, if you know it")
	s.IntVar(&f.mailbox.port, "port", 0, "its port")
	s.StringVar(&f.mailbox.tls, "tls", "", "implicit, starttls, or none: no encryption at all")
	s.StringVar(&f.mailbox.username, "username", "", "user name there (default: found out)")
	s.StringVar(&f.provider, "provider", "", "mail provider, as popferry providers has it")
	s.StringVar(&f.name, "name", "", "what the account is called (default: the address)")
	s.StringVar(&f.leave, "leave-on-server", "", "true: keep the mail there (the default), false: delete what was forwarded, 14d: after so many days")
	s.StringVar(&f.firstRun, "first-run", "", "all: forward what is there (the default), new: only what comes from now on")
	s.StringVar(&f.to, "to", "", "`ADDRESS` of the inbox")
	s.StringVar(&f.from, "from", "", "envelope sender (default: the user name for sending if that is an address, else the inbox)")
	s.StringVar(&f.inbox.host, "smtp-host", "", "`HOST` to hand mail to (default: found by the inbox), or unix:/path of an LMTP socket")
	s.IntVar(&f.inbox.port, "smtp-port", 0, "its port")
	s.StringVar(&f.inbox.tls, "smtp-tls", "", "implicit, starttls, or none: no encryption at all")
	s.StringVar(&f.inbox.username, "smtp-username", "", "user name there (default: found out)")
	s.StringVar(&f.inbox.passwordFile, "smtp-password-file", "", "`FILE` with the password there; it is copied (default: no login)")
	s.BoolVar(&f.lmtp, "lmtp", false, "that host speaks LMTP")
	s.StringVar(&f.forward, "forward", "", "where popferry.yaml is there already: the destination in it to use (default: its first)")
	s.StringVar(&f.caFile, "ca-file", "", "PEM `FILE` with an authority of your own for the servers' certificates")
	s.BoolVar(&f.yes, "yes", false, "ask nothing")
	s.BoolVar(&f.poll, "poll", false, "poll once in the end (default: asks)")
}

// check finds what is wrong with the flags alone, all at once.
func (f *initFlags) check() error {
	var wrong []string
	for _, word := range []string{f.mailbox.tls, f.inbox.tls} {
		if _, err := modeOf(word); err != nil {
			wrong = append(wrong, "--tls and --smtp-tls: "+err.Error())
		}
	}
	for _, s := range []*serverFlags{&f.mailbox, &f.inbox} {
		if err := s.splitHost(); err != nil {
			wrong = append(wrong, "--host and --smtp-host: "+err.Error())
		}
	}
	if f.firstRun != "" && f.firstRun != config.FirstRunAll && f.firstRun != config.FirstRunNew {
		wrong = append(wrong, fmt.Sprintf("--first-run: %q is none of all, new", f.firstRun))
	}
	if f.leave != "" && f.leave != "true" && f.leave != "false" && !days.MatchString(f.leave) {
		wrong = append(wrong, fmt.Sprintf("--leave-on-server: %q is none of true, false, 14d", f.leave))
	}
	wrong = append(wrong, f.checkHosts()...)
	if f.provider != "" && f.mailbox.host != "" {
		wrong = append(wrong, "--provider and --host exclude each other")
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return nil
}

// checkHosts finds flags that say nothing without a host, or the other way
// round.
func (f *initFlags) checkHosts() (wrong []string) {
	if m := f.mailbox; m.host == "" && (m.port != 0 || m.tls != "") {
		wrong = append(wrong, "--port and --tls need --host")
	}
	switch m := f.inbox; {
	case m.host == "" && (m.port != 0 || m.tls != "" || f.lmtp):
		wrong = append(wrong, "--smtp-port, --smtp-tls and --lmtp need --smtp-host")
	case f.lmtp && m.port == 0 && !m.hint().IsSocket():
		wrong = append(wrong, "--lmtp needs --smtp-port, for LMTP has no usual one")
	}
	if f.mailbox.hint().IsSocket() {
		wrong = append(wrong, "--host: popferry speaks POP3 to a host and its port, not to a socket")
	}
	return wrong
}

// setup is one run of init.
type setup struct {
	*terminal.Dialogue
	steps          *checkText
	program        *program
	flags          initFlags
	finder         *discover.Finder
	place          place
	mailbox, inbox side
	joined         config.Destination // where a configuration that is there sends the mail
}

// init is the command: what it asks, tries and writes, from left to right.
func (p *program) init(ctx context.Context, c *cobra.Command, f initFlags) error {
	var console terminal.Console
	if !f.yes {
		console = p.console()
	}
	s := &setup{program: p, flags: f, Dialogue: terminal.NewDialogue(p.stdout, console), steps: newCheckText(p.stdout, terminal.Is(p.stdout), os.Getenv)}
	var err error
	if s.place, err = p.findPlace(); err != nil {
		return err
	}
	if s.place.existing != nil && (f.inbox != serverFlags{} || f.lmtp) {
		return usage(c, fmt.Errorf("%s has its destinations already; change them there, or name one of them with --forward", s.place.main))
	}
	if missing := s.missing(); len(missing) > 0 {
		return usage(c, fmt.Errorf("%s; needed are: %s", s.whyNobody(), strings.Join(missing, ", ")))
	}
	s.finder = discover.New(discover.Options{Resolver: p.resolver, Transport: p.transport, Network: p.resources.Network, CAFile: f.caFile})
	written, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	return s.firstPoll(ctx, written)
}

// prepare asks, tries and writes. Up to its end Ctrl-C leaves nothing behind.
func (s *setup) prepare(ctx context.Context) (w written, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, step := range []func(context.Context) error{s.findMailbox, s.findInbox, s.choosePolicy} {
		if err == nil {
			err = step(ctx)
		}
	}
	if err == nil {
		w, err = s.write(ctx)
	}
	if err != nil && ctx.Err() != nil {
		s.Say("")
		err = terminal.ErrStopped
	}
	if errors.Is(err, terminal.ErrStopped) {
		err = errStopped
	}
	return w, err
}

// errStopped is terminal.ErrStopped before anything is written.
var errStopped = fmt.Errorf("%w; nothing was written", terminal.ErrStopped)

// missing are the flags without which nobody can answer what has to be asked.
func (s *setup) missing() []string {
	if s.Interactive() {
		return nil
	}
	var flags []string
	need := func(flag, value string) {
		if value == "" {
			flags = append(flags, "--"+flag)
		}
	}
	need("address", s.flags.address)
	need("password-file", s.flags.mailbox.passwordFile)
	if s.place.existing == nil {
		need("to", s.flags.to)
	}
	if s.flags.inbox.username != "" {
		need("smtp-password-file", s.flags.inbox.passwordFile)
	}
	return flags
}

// whyNobody says why nothing is asked.
func (s *setup) whyNobody() string {
	if s.flags.yes {
		return "--yes asks nothing"
	}
	return "there is nobody to ask, for the input is no terminal"
}
