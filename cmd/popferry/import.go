package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/legacy"
	"github.com/popferry/popferry/cmd/internal/schedule"
)

// importFlags are what a person adds to the files of another program.
type importFlags struct {
	output   string
	state    string
	stateOf  []string // of the other program
	seenOnly bool
	wait     time.Duration
	to       []string
	server   legacy.Server
}

func (p *program) importCommand() *cobra.Command {
	var f importFlags
	programs := strings.Join(legacy.Programs(), "|")
	c := &cobra.Command{
		Use:   "import " + programs + " [FILE...]",
		Short: "Take over from fetchmail, getmail or mpop",
		Long: "Reads the configuration of fetchmail, getmail or mpop, and its record of which messages it has fetched. Writes a\n" +
			"configuration of popferry's, with the passwords in files beside it that you alone can read, and notes those messages\n" +
			"in the ledger: they are not forwarded again, and never deleted on their server (popferry retry sends one all the same).\n\n" +
			"Says what it carries over, and line by line what it cannot. Nothing of the other program is changed, and no file is\n" +
			"overwritten. Stop the other program first: what it fetches later is new to popferry.\n\n" +
			"Without FILE it reads the file at the usual place, of getmail all files in its folder if none is a getmailrc.",
		Example: "  popferry import fetchmail --to leo@example.org --smtp-host smtp.example.org --smtp-username leo --smtp-password-file smtp.password\n" +
			"  popferry import getmail ~/.config/getmail/isp ~/.config/getmail/work\n" +
			"  popferry import mpop --seen-only",
		Args: usageArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return legacy.Programs(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			m := &importer{program: p, flags: f, from: args[0]}
			if err := m.read(args[1:]); err != nil {
				return err
			}
			if f.seenOnly {
				return m.noteSeen(c.Context())
			}
			return m.write(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringVarP(&f.output, "output", "o", "popferry.yaml", "the `FILE` to write")
	flags.StringVar(&f.state, "state", "", "the ledger's `FILE` (default: as without state in a configuration)")
	flags.StringArrayVar(&f.stateOf, "state-file", nil, "the other program's record of what it has fetched, or its folder, if not at the\nusual place; can be given several times (`PATH`)")
	flags.BoolVar(&f.seenOnly, "seen-only", false, "write no configuration: note what was fetched for the accounts of the one that is there")
	flags.StringSliceVar(&f.to, "to", nil, "the `ADDRESS` in whose inbox all shall arrive")
	flags.StringVar(&f.server.Host, "smtp-host", "", "the `HOST` that takes the mail")
	flags.IntVar(&f.server.Port, "smtp-port", 0, "its `PORT` (default 587)")
	flags.StringVar(&f.server.Username, "smtp-username", "", "the `NAME` to log in there")
	flags.StringVar(&f.server.PasswordFile, "smtp-password-file", "", "the `FILE` with the password for it")
	return p.withConfig(withWait(c, &f.wait))
}

// check tells of flags that do not go together.
func (f *importFlags) check(c *cobra.Command) error {
	if !f.seenOnly && c.Flags().Changed("config") {
		return usage(c, errors.New("--config is for --seen-only; the file to write is named by --output"))
	}
	for _, name := range []string{"output", "state", "to", "smtp-host", "smtp-port", "smtp-username", "smtp-password-file"} {
		if f.seenOnly && c.Flags().Changed(name) {
			return usage(c, fmt.Errorf("--%s and --seen-only exclude each other: no configuration is written", name))
		}
	}
	for _, pair := range [][2]string{
		{"smtp-port", "smtp-host"}, {"smtp-username", "smtp-host"}, {"smtp-username", "smtp-password-file"}, {"smtp-password-file", "smtp-username"},
	} {
		if c.Flags().Changed(pair[0]) && !c.Flags().Changed(pair[1]) {
			return usage(c, fmt.Errorf("--%s needs --%s", pair[0], pair[1]))
		}
	}
	return nil
}

// importer is one import.
type importer struct {
	*program
	flags importFlags
	from  string // the other program's name
	setup *legacy.Setup
}

// read reads the files of the other program.
func (m *importer) read(files []string) error {
	env := legacy.Env{Getenv: os.Getenv, User: loginName()}
	setup, err := legacy.Read(m.from, env, files, m.flags.stateOf)
	if errors.Is(err, legacy.ErrProgram) {
		return &app.UsageError{Err: err}
	}
	if err != nil {
		return err
	}
	m.setup = setup
	if len(setup.Accounts) == 0 {
		return errors.Join(m.printRemarks(), errors.New("there is no POP3 account in these files; nothing was written"))
	}
	return nil
}

// loginName is whose mail fetchmail takes it to be where no local user is named.
func loginName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "postmaster"
}

// write makes a configuration. The ledger comes first: a configuration without
// it would forward everything again.
func (m *importer) write(ctx context.Context) error {
	if _, err := os.Lstat(m.flags.output); err == nil {
		return &app.ConfigError{Err: fmt.Errorf("%s is there already and stays as it is: name another file by --output, or have only noted "+
			"which messages were fetched, by --seen-only", m.flags.output)}
	}
	if _, err := os.Stat(filepath.Dir(m.flags.output)); err != nil {
		return fmt.Errorf("--output: its folder: %w", err)
	}
	choice, err := m.choice()
	if err != nil {
		return err
	}
	draft := m.setup.Draft(choice)
	text, err := draft.YAML()
	if err != nil {
		return err
	}
	var noted map[string]int
	if choice.Filled {
		noted, err = m.mark(ctx, &config.Config{State: choice.State, StateCreate: true}, fetchedBy(m.setup, draft.Names))
	}
	if err != nil {
		return err
	}
	if err := createAll(m.flags.output, text, draft.Secrets); err != nil {
		return err
	}
	if err := m.printCarried(draft.Names, noted); err != nil {
		return err
	}
	return errors.Join(m.printRemarks(), m.printNext(draft.Secrets))
}

// choice is what the flags say, with paths that hold wherever the file is.
func (m *importer) choice() (legacy.Choice, error) {
	c := legacy.Choice{
		Head:   fmt.Sprintf("Made by popferry import %s. Every key is explained in config.example.yaml.", m.from),
		State:  m.flags.state,
		To:     m.flags.to,
		Server: m.flags.server,
	}
	for _, a := range m.setup.Accounts {
		c.Filled = c.Filled || len(a.Seen.UIDs) > 0
	}
	if c.State == "" && c.Filled { // written down, for a service has another usual place than a person
		c.State = config.DefaultState(config.Env{})
	}
	if c.State == "" && c.Filled {
		return c, &app.UsageError{Err: errors.New("there is no usual place for the ledger, for none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set; name one by --state")}
	}
	for _, path := range []*string{&c.State, &c.Server.PasswordFile} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return c, err
		}
		*path = abs
	}
	return c, nil
}

// createAll writes the files with passwords, and then the configuration that
// names them. What is there already stays as it is.
func createAll(path string, text []byte, secrets []legacy.SecretFile) error {
	for _, s := range secrets {
		file := filepath.Join(filepath.Dir(path), s.Name)
		content := []byte(s.Password.Reveal() + "\n")
		err := config.Create(file, content)
		if errors.Is(err, fs.ErrExist) && holds(file, content) {
			err = nil // an import that was broken off wrote it
		}
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w; a password of the configuration would go there: move it away, or write the configuration into another folder by --output", err)
		}
		if err != nil {
			return err
		}
	}
	return config.Create(path, text)
}

// holds tells whether a file has this content.
func holds(path string, content []byte) bool {
	have, err := os.ReadFile(path)
	return err == nil && string(have) == string(content)
}

// readBack reads the configuration that was written.
func (m *importer) readBack() error {
	_, err := config.Load(m.flags.output, config.Env{CheckSchedule: schedule.Check})
	return err
}
