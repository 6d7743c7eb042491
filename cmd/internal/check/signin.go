package check

import (
	"context"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
)

// signIn reports until when a server is signed in to by OAuth2. What is wrong with
// that shows at the login.
func (c *checker) signIn(ctx context.Context, s config.Server, report func(Step)) {
	if s.OAuth2 == nil {
		return
	}
	found, err := app.NewSignIns(c.Config).Look(ctx, c.Ledger, s)
	if err != nil || found.Err != nil {
		return
	}
	note := found.User + ", since " + day(found.Signed)
	switch {
	case found.EndsSoon(time.Now()):
		note += "; the provider ends it on " + day(found.Until) + ": run popferry login before that"
	case !found.Until.IsZero():
		note += ", until " + day(found.Until)
	}
	report(NewStep(probe.Step{Name: probe.StepSignIn, Note: note}, ""))
}

func day(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
