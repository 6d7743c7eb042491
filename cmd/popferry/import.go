package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/legacy"
	"github.com/popferry/popferry/cmd/internal/migrate"
)

func (p *program) importCommand() *cobra.Command {
	var o migrate.Options
	var seenOnly bool
	var wait time.Duration
	var firstRun string
	c := &cobra.Command{
		Use:   "import PROGRAM [FILE...]",
		Short: "Switch over from fetchmail, getmail, mpop, fdm, Thunderbird or InboxBridge",
		Long: "PROGRAM is one of " + strings.Join(legacy.Programs(), ", ") + ".\n\n" +
			"Reads the configuration of another program, and its record of the messages that it has fetched. Writes a\n" +
			"popferry configuration, with the passwords beside it in files that only you can read, and marks those messages in\n" +
			"the ledger: they are not forwarded again, and never deleted from their server (popferry retry sends one anyway).\n\n" +
			"Reports what it cannot carry over, account by account, then what is left to do, then what it has carried over. What\n" +
			"it cannot carry over is also at the top of the file that it writes. It leaves the other program's files as they are\n" +
			"and overwrites nothing. Stop the other program first: what it fetches later is new to popferry.\n\n" +
			"A mailbox of a whole domain is sorted by recipient, as before (popferry help multidrop). With --to all mail goes to\n" +
			"that inbox, and is not sorted.\n\n" +
			"Without FILE it reads the file at the usual place; for getmail, all files in its folder if none is a getmailrc. For\n" +
			"thunderbird FILE is a profile's folder; its passwords are encrypted, and have to be written down. For inboxbridge it\n" +
			"is the file of its variables; its record is in its database, which is not read.",
		Example: "  popferry import fetchmail --to leo@example.org --smtp-host smtp.example.org \\\n" +
			"    --smtp-username leo --smtp-password-file smtp.password\n" +
			"  popferry import getmail ~/.config/getmail/isp ~/.config/getmail/work\n" +
			"  popferry import mpop --seen-only\n" +
			"  popferry import thunderbird ~/.thunderbird/abcd1234.default",
		Args: argsBegin("the program, such as fetchmail"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return legacy.Programs(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkImportFlags(c, seenOnly); err != nil {
				return usage(c, err)
			}
			if firstRun != "new" && firstRun != "all" {
				return usage(c, fmt.Errorf("--first-run is new or all, not %q", firstRun))
			}
			o.FirstRunAll = firstRun == "all"
			o.Program, o.Files, o.Wait = args[0], args[1:], p.wait(wait)
			var report string
			var err error
			if seenOnly {
				var cfg *config.Config
				if cfg, err = p.loadReadOnly(); err != nil {
					return err
				}
				report, err = migrate.MarkOnly(c.Context(), o, cfg)
			} else {
				report, err = migrate.Write(c.Context(), o)
			}
			_, printErr := fmt.Fprint(p.prose(p.stdout), report)
			return cmp.Or(err, printErr)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&o.Output, "output", "o", "", "`FILE` to write (default: where popferry run finds it, ~/.config/popferry/popferry.yaml\nor for root /etc/popferry/popferry.yaml)")
	flags.StringVar(&o.State, "state", "", "`FILE` of the ledger (default: as for a configuration without state)")
	flags.StringArrayVar(&o.StateFiles, "state-file", nil, "`PATH` of the other program's record of what it has fetched, or of its folder, if it is\nnot at the usual place; can be given several times")
	flags.StringVar(&firstRun, "first-run", "new", "for mail that was left on a server without a record of what was fetched: `new` takes all\nof it as fetched, all forwards all of it")
	flags.BoolVar(&seenOnly, "seen-only", false, "write no configuration; only mark what was fetched, for the accounts of the existing configuration")
	flags.StringSliceVar(&o.To, "to", nil, "`ADDRESS` of the inbox that receives all mail, also that of mailboxes of whole domains")
	flags.StringVar(&o.Server.Host, "smtp-host", "", "`HOST` that accepts the mail")
	flags.IntVar(&o.Server.Port, "smtp-port", 0, "`PORT` of that server (default 587)")
	flags.StringVar(&o.Server.Username, "smtp-username", "", "user `NAME` at that server")
	flags.StringVar(&o.Server.PasswordFile, "smtp-password-file", "", "`FILE` with the password for that server")
	return p.withConfig(withWait(c, &wait))
}

// checkImportFlags refuses flags that do not go together.
func checkImportFlags(c *cobra.Command, seenOnly bool) error {
	given := c.Flags().Changed
	if !seenOnly && given("config") {
		return errors.New("--config needs --seen-only; to name the file to write, use --output")
	}
	for _, name := range []string{"output", "state", "to", "smtp-host", "smtp-port", "smtp-username", "smtp-password-file", "first-run"} {
		if seenOnly && given(name) {
			return fmt.Errorf("--%s and --seen-only cannot be combined: no configuration is written", name)
		}
	}
	for _, pair := range [][2]string{
		{"smtp-port", "smtp-host"}, {"smtp-username", "smtp-host"}, {"smtp-username", "smtp-password-file"}, {"smtp-password-file", "smtp-username"},
	} {
		if given(pair[0]) && !given(pair[1]) {
			return fmt.Errorf("--%s needs --%s", pair[0], pair[1])
		}
	}
	return nil
}
