package signin

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/oauth"
)

// FrontEnd is how the dialogue talks to the user.
type FrontEnd interface {
	Say(format string, args ...any)
	OK(format string, args ...any)
	Failed(format string, args ...any)
	Step(check.Step)
	// Interactive reports whether questions can be asked.
	Interactive() bool
	Ask(ctx context.Context, question, preset string) (string, error)
	Confirm(ctx context.Context, question string, preset bool) (bool, error)
}

// Flow is a way to sign in.
type Flow string

// The flows.
const (
	Auto    Flow = ""        // a code if the provider has that, else a browser
	Device  Flow = "device"  // a code that is typed in on any device
	Browser Flow = "browser" // a browser on this machine
	Paste   Flow = "paste"   // a browser elsewhere, whose last address is pasted
)

// Flows are those that a user can ask for.
func Flows() []string { return []string{string(Device), string(Browser), string(Paste)} }

// Ask has the user sign in. Remote means that there is probably no browser on this
// machine. Errors are of type *oauth.Error, or those of the front end.
func Ask(ctx context.Context, front FrontEnd, c oauth.Client, flow Flow, remote bool) (oauth.SignIn, error) {
	if flow == Auto {
		var err error
		if flow, err = choose(ctx, front, c, remote); err != nil {
			return oauth.SignIn{}, err
		}
	}
	switch flow {
	case Device:
		return byDevice(ctx, front, c)
	case Paste:
		return byPaste(ctx, front, c)
	case Browser, Auto:
	}
	return byBrowser(ctx, front, c)
}

// choose settles the flow: the code is the simplest one.
func choose(ctx context.Context, front FrontEnd, c oauth.Client, remote bool) (Flow, error) {
	switch has, err := c.HasDevice(ctx); {
	case err != nil:
		return Auto, err
	case has:
		return Device, nil
	case !front.Interactive():
		return Browser, nil
	}
	here, err := front.Confirm(ctx, "Is there a browser on this machine?", !remote)
	if err != nil || here {
		return Browser, err
	}
	return Paste, nil
}

func byDevice(ctx context.Context, front FrontEnd, c oauth.Client) (oauth.SignIn, error) {
	d, err := c.Device(ctx)
	if err != nil {
		return oauth.SignIn{}, err
	}
	front.Say("Open this address in a browser on any device:")
	front.Say("\n    %s\n", d.URL)
	front.Say("Type in this code there, and sign in as %s:", c.User)
	front.Say("\n    %s\n", d.Code)
	front.Say("popferry waits for that. The code ends in %s.", inWords(time.Until(d.Ends)))
	defer countDown(ctx, front, d.Ends)()
	return d.Wait(ctx)
}

// marks are how much time has to be left for a word about it.
var marks = []time.Duration{10 * time.Minute, 5 * time.Minute, 2 * time.Minute, time.Minute, 30 * time.Second}

// countDown says how much time is left, until the function that it returns is
// called.
func countDown(ctx context.Context, front FrontEnd, ends time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		for _, left := range due(marks, time.Until(ends)) {
			select {
			case <-time.After(time.Until(ends.Add(-left))):
				front.Say("  %s left", inWords(left))
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); ended.Wait() }
}

// due are the marks that are still to come.
func due(marks []time.Duration, left time.Duration) []time.Duration {
	return slices.DeleteFunc(slices.Clone(marks), func(m time.Duration) bool { return m >= left })
}

// inWords is a time of some minutes, or less.
func inWords(d time.Duration) string {
	if d <= time.Minute {
		return fmt.Sprintf("%d seconds", int(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d minutes", int(d.Round(time.Minute)/time.Minute))
}

// browserTimeout is how long a user may take with the browser.
const browserTimeout = 15 * time.Minute

func byBrowser(ctx context.Context, front FrontEnd, c oauth.Client) (oauth.SignIn, error) {
	b, err := c.Browser(ctx)
	if err != nil {
		return oauth.SignIn{}, err
	}
	front.Say("Open this address in a browser on this machine, and sign in as %s:", c.User)
	front.Say("\n    %s\n", b.URL)
	front.Say("popferry waits for the browser, for %s at most.", inWords(browserTimeout))
	ends := time.Now().Add(browserTimeout)
	late := &oauth.Error{Reason: oauth.Needed, Text: fmt.Sprintf("nobody has signed in with the browser within %s; for a browser on another machine: --flow %s", inWords(browserTimeout), Paste)}
	ctx, cancel := context.WithDeadlineCause(ctx, ends, late)
	defer cancel()
	defer countDown(ctx, front, ends)()
	return b.Wait(ctx)
}

func byPaste(ctx context.Context, front FrontEnd, c oauth.Client) (oauth.SignIn, error) {
	if !front.Interactive() {
		return oauth.SignIn{}, &oauth.Error{Reason: oauth.Invalid, Text: "stdin is not a terminal, so that no address can be pasted"}
	}
	r, err := c.Paste(ctx)
	if err != nil {
		return oauth.SignIn{}, err
	}
	front.Say("Open this address in a browser on any machine, and sign in as %s:", c.User)
	front.Say("\n    %s\n", r.URL)
	front.Say("In the end the browser shows that it cannot reach localhost. That is as it should be: copy the whole address of that page.")
	for {
		address, err := front.Ask(ctx, "Address at which the browser ended", "")
		if err != nil {
			return oauth.SignIn{}, err
		}
		if r.EndsAt(address) {
			return r.Finish(ctx, address)
		}
		front.Say("  That is not it: it begins with http://localhost/ and has code= and state= in it, of this very attempt.")
	}
}
