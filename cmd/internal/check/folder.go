package check

import (
	"context"
	"slices"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// maildir returns the target of a destination that is a folder of this machine. It
// takes messages of any size, and says so in size.
func (c *checker) maildir(d config.Destination, size *sizeLimit) target {
	s := probe.Storage{Name: d.Name, Options: app.MaildirOptions(d), Folders: c.folders(d)}
	s.Options.Patience = stepTimeout
	try := func(ctx context.Context, report func(Step)) error {
		size.set(0)
		var m *forwarder.Message
		if c.Send {
			address := app.OwnAddress(d)
			m = testLetter(d.Name, address, smtp.Envelope{Sender: address, Recipients: []string{address}}).Message
			m.Folder = d.Folder
		}
		return probe.Folders(ctx, s, m, func(st probe.Step) { report(NewStep(st, folderAdvice(st))) })
	}
	return target{kindDestination, d.Name, d.Path, try}
}

// folderAdvice says what to do about a step that failed, beyond what its error says.
func folderAdvice(st probe.Step) string {
	switch {
	case st.Err == nil:
		return ""
	case st.Name == probe.StepSend:
		return "This was only a test message, so nothing is lost."
	default:
		return cause.Of(st.Err).Remedy
	}
}

// folders are those that the mail for a destination goes to.
func (c *checker) folders(d config.Destination) []string {
	var list []string
	for _, a := range c.Config.Accounts {
		if a.Enabled && a.Forward == d.Name && !slices.Contains(list, a.Folder) {
			list = append(list, a.Folder)
		}
	}
	if spam := app.SpamFolder(d); len(list) > 0 && spam != "" && !slices.Contains(list, spam) {
		list = append(list, spam)
	}
	if len(list) == 0 || c.Send && !slices.Contains(list, d.Folder) {
		list = append(list, d.Folder)
	}
	return list
}
