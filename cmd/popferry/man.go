package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/popferry/popferry/deploy/docs"
)

// seeAlso stands in popferry(1), below the description.
const seeAlso = `

Exit codes and signals are in popferry-exit-codes(7), the guarantees in popferry-guarantees(7), what happens when
something fails in popferry-failures(7), and the configuration in popferry.yaml(5). popferry help lists all pages.`

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
			root.Long += seeAlso
			date := manualDate()
			header := &doc.GenManHeader{Section: "1", Date: &date, Source: "popferry " + buildVersion(), Manual: "popferry"}
			if err := errors.Join(doc.GenManTree(root, header, args[0]), writeTopics(args[0])); err != nil {
				return fmt.Errorf("writing the manual pages: %w", err)
			}
			return nil
		},
	}
}

// topics are the pages of the reference, for `popferry help PAGE`. cobra lists
// them apart from the commands because they have no function to run.
func topics() (list []*cobra.Command) {
	for _, page := range docs.Pages() {
		list = append(list, &cobra.Command{Use: page.Name, Short: page.Title, Long: page.Plain()})
	}
	return list
}

// writeTopics writes the pages as manual pages popferry-PAGE(7).
func writeTopics(dir string) error {
	for _, page := range docs.Pages() {
		text := fmt.Sprintf("%% \"popferry-%s\" \"7\" \"%s\" \"popferry %s\" \"popferry\"\n# NAME\npopferry-%[1]s - %[4]s\n\n# DESCRIPTION\n%[5]s\n",
			page.Name, manualDate().Format("Jan 2006"), buildVersion(), page.Title, page.Text)
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
