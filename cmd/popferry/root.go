package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/invocation"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// program is what the commands share.
type program struct {
	stdout, stderr io.Writer
	arg0           string // how the program was called
	configFlag     string
	resources      app.Resources

	// For init.
	console   func() terminal.Console // nil: nobody answers
	resolver  *net.Resolver           // nil: the system's
	transport http.RoundTripper       // nil: the usual one
	rules     discover.Rules          // the zero value: the usual ones
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	p := &program{stdout: stdout, stderr: stderr, arg0: invocation.Typed(os.Args[0]), resources: app.NewResources(), console: func() terminal.Console { return terminal.NewConsole(os.Stdin) }}
	root := &cobra.Command{
		Use:   "popferry",
		Short: "Collect mail from POP3 mailboxes into one inbox, by IMAP, LMTP or SMTP",
		Long: "popferry collects new mail from POP3 mailboxes and puts it into one inbox, by IMAP, LMTP or SMTP.\n" +
			"It deletes a message from its mailbox only after the destination has accepted it.\n\n" +
			"To set it up: popferry init. To see it work without an account: popferry demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:          noCommand,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(badFlag)
	root.AddCommand(p.initCommand(), p.runCommand(), p.statusCommand(), p.healthyCommand(), p.messagesCommand(), p.demoCommand(), p.versionCommand(), p.manCommand())
	root.AddCommand(p.pollCommand(), p.providersCommand(), p.checkCommand())
	root.AddCommand(p.loginCommand(), p.logoutCommand())
	root.AddCommand(p.retryCommand(), p.skipCommand(), p.showCommand(), p.quarantineCommand())
	root.AddCommand(p.importCommand())
	root.AddCommand(p.adoptCommand(), p.resendCommand(), p.renameCommand(), p.forgetCommand(), p.moveCommand())
	root.AddCommand(p.completionCommand())
	root.AddCommand(topics(stdout)...)
	refuseUnknownTopics(root)
	joinFlagLines(root)
	setHelp(root, stdout)
	root.Version = buildVersion()
	root.SetVersionTemplate(versionLine())
	return root
}

// withConfig gives a command the flag for the configuration file.
func (p *program) withConfig(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&p.configFlag, "config", "c", "",
		"configuration `FILE` (default: $POPFERRY_CONFIG, ~/.config/popferry/popferry.yaml, /etc/popferry/popferry.yaml)")
	_ = c.MarkFlagFilename("config", "yaml", "yml") // fails if there is no such flag
	return c
}

// invoked is how the user started the program.
func (p *program) invoked() invocation.Invocation { return invocation.New(p.arg0, p.configFlag) }

// prose is w for text that the user reads.
func (p *program) prose(w io.Writer) io.Writer { return invocation.NewProse(w, p.invoked()) }

// tell prints a line to stderr.
func (p *program) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(p.prose(p.stderr), "popferry: "+format+"\n", args...)
}

// warn prints warnings.
func (p *program) warn(warnings ...string) {
	for _, w := range warnings {
		p.tell("warning: %s", w)
	}
}

// load finds and reads the configuration.
func (p *program) load() (*config.Config, error) { return app.Load(p.configFlag) }

// loadReadOnly is load for a command that does not log in anywhere.
func (p *program) loadReadOnly() (*config.Config, error) { return app.LoadReadOnly(p.configFlag) }

// version is set by release builds (-ldflags -X).
var version = ""

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.stdout, versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("popferry %s (%s, %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// buildVersion returns the version of the release, or else the one that the Go
// toolchain recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
