package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/popferry/popferry/deploy/docs"
)

// manualSections stand in popferry(1), below the description; %s are the commands.
const manualSections = `

The guarantees are in popferry-guarantees(7), and what happens when something fails in popferry-failures(7).

# COMMANDS

%s
# EXIT STATUS

**0**: done, also if there is no new mail, or mail is held.

**75**: some account or message has to be tried again.

**78**: the configuration is wrong, or does not match the ledger.

**64**: the command line is wrong.

**1**: any other failure.

popferry-exit-codes(7) has the details.

# SIGNALS

**popferry run** stops after the deliveries in progress on TERM and INT, and at once on a second one. On HUP it reads the
configuration again, on USR1 it polls all accounts.

# FILES

**~/.config/popferry/popferry.yaml**, **/etc/popferry/popferry.yaml**: the configuration, unless $POPFERRY_CONFIG or
**--config** names another file.

**~/.local/state/popferry/popferry.db**: the ledger of what was forwarded, unless **state** in the configuration names
another one.

# EXAMPLES

Set up a mailbox, then poll it every 10 minutes:

    popferry init
    popferry run

In a crontab:

    */10 * * * * popferry run --once --quiet

See what waits, and send it now:

    popferry messages --state held
    popferry retry isp --state held
`

// manualReferences are added to SEE ALSO of popferry(1).
const manualReferences = "popferry.yaml(5), popferry-exit-codes(7), popferry-guarantees(7), popferry-failures(7), "

// manCommand writes the manual pages that packages install. It is hidden: users
// of a package have the pages already.
func (p *program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a folder",
		Hidden: true,
		Args:   usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := c.Root()
			root.DisableAutoGenTag = true
			root.Long += fmt.Sprintf(manualSections, listed(root))
			date := manualDate()
			header := &doc.GenManHeader{Section: "1", Date: &date, Source: "popferry " + buildVersion(), Manual: "popferry"}
			if err := errors.Join(doc.GenManTree(root, header, args[0]), polish(args[0]), writeTopics(args[0])); err != nil {
				return fmt.Errorf("writing the manual pages: %w", err)
			}
			return nil
		},
	}
}

// listed are the commands as a list for the manual.
func listed(root *cobra.Command) string {
	var b strings.Builder
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "**%s**: %s\n\n", c.Name(), c.Short)
		}
	}
	return b.String()
}

// polish corrects what cobra makes of the commands: a switch has no value that anybody
// would type, and popferry(1) refers to more than its commands.
func polish(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "popferry*.1"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte("[=false]"), nil)
		if filepath.Base(path) == "popferry.1" {
			text = bytes.Replace(text, []byte(".SH SEE ALSO\n"), []byte(".SH SEE ALSO\n"+manualReferences), 1)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // manual pages are for everybody
			return err
		}
	}
	return nil
}

// topics are the pages of the reference, and the example configuration as it can be
// written to a file, for `popferry help PAGE`. cobra lists
// them apart from the commands because they have no function to run.
func topics(out io.Writer) (list []*cobra.Command) {
	topic := func(name, title string, text func() string) {
		c := &cobra.Command{Use: name, Short: title}
		c.SetHelpFunc(func(*cobra.Command, []string) { _, _ = io.WriteString(out, text()) })
		list = append(list, c)
	}
	for _, page := range docs.Pages() {
		topic(page.Name, page.Title, func() string { return page.Plain() + "\n" })
	}
	topic("example", "The example configuration, with every key", func() string { return docs.Example })
	return list
}

// writeTopics writes the pages as manual pages popferry-PAGE(7).
func writeTopics(dir string) error {
	for _, page := range docs.Pages() {
		text := fmt.Sprintf("%% \"popferry-%s\" \"7\" \"%s\" \"popferry %s\" \"popferry\"\n# NAME\npopferry-%[1]s - %[4]s\n\n# DESCRIPTION\n%[5]s\n",
			page.Name, manualDate().Format("Jan 2006"), buildVersion(), page.Title, page.Text())
		path := filepath.Join(dir, "popferry-"+page.Name+".7")
		if err := os.WriteFile(path, md2man.Render([]byte(text)), 0o644); err != nil { //nolint:gosec // manual pages are for everybody
			return err
		}
	}
	return nil
}

// manualDate is the date in manual pages: $SOURCE_DATE_EPOCH, which makes builds
// reproducible, or today.
func manualDate() time.Time {
	if epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(epoch, 0).UTC()
	}
	return time.Now()
}
