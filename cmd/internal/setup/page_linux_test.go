package setup_test

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// Where nobody can write, not even root, the page shows the files, the configuration
// itself among them, and nothing is left of the attempt.
func TestPageInAFolderThatCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	f.onPage()
	f.options.Config = "/sys/popferry.yaml"
	f.succeeds(f.run(setup.Input{Address: "leo@isp.test", To: "leo@isp.test"},
		testworld.Reply{Question: "POP3 server", Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
		testworld.Reply{Question: "Password at pop.isp.test", Answer: "secret"},
		testworld.Reply{Question: "Mail server", Answer: fmt.Sprint("smtp.isp.test:", f.smtpPort)},
		testworld.Reply{Question: "Password at smtp.isp.test", Answer: "secret"},
		testworld.Reply{Question: "Keep mail", Answer: ""},
		testworld.Reply{Question: "Forward all", Answer: ""},
		testworld.Reply{Question: "Write them?", Answer: ""}))
	f.shows("This folder cannot be written to: /sys")
	f.shows("/sys/popferry.yaml\n\n    # Written by popferry init")
	f.shows("password_file: inbox.password")
}
