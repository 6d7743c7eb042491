package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"

	"github.com/popferry/popferry/deploy/docs"
)

// topics are the pages of the reference, for `popferry help PAGE`. Without a
// function to run, cobra lists them apart from the commands.
func topics() (list []*cobra.Command) {
	for _, page := range docs.Pages() {
		list = append(list, &cobra.Command{Use: page.Name, Short: page.Title, Long: page.Plain()})
	}
	return list
}

// completeHelp offers commands and topics.
func completeHelp(c *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, sub := range c.Root().Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// writeTopics writes the pages as manual pages popferry-PAGE(7).
func writeTopics(dir string) error {
	for _, page := range docs.Pages() {
		text := fmt.Sprintf("%% \"popferry-%s\" \"7\" \"%s\" \"popferry %s\" \"popferry\"\n# NAME\npopferry-%[1]s - %[4]s\n\n# DESCRIPTION\n%[5]s\n",
			page.Name, manualDate().Format("Jan 2006"), buildVersion(), strings.ToLower(page.Title[:1])+page.Title[1:], page.Text)
		path := filepath.Join(dir, "popferry-"+page.Name+".7")
		if err := os.WriteFile(path, md2man.Render([]byte(text)), 0o644); err != nil { //nolint:gosec // manual pages are for everybody
			return err
		}
	}
	return nil
}

// manualDate is the date in manual pages: $SOURCE_DATE_EPOCH, so that the same
// source gives the same pages, or today.
func manualDate() time.Time {
	if epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(epoch, 0).UTC()
	}
	return time.Now()
}
