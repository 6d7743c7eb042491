package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// seeAlso stands in popferry(1), below the description.
const seeAlso = `

Exit codes and signals are in popferry-exit-codes(7), the guarantees in popferry-guarantees(7), what happens when
something fails in popferry-failures(7), and the configuration in popferry.yaml(5). popferry help lists all pages.`

// manCommand writes the manual pages that packages bring. It is hidden: whoever
// has the program installed has them too.
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
