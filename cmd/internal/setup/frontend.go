package setup

import (
	"context"
	"fmt"

	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// ErrStopped: the user stopped the set-up before anything was written.
var ErrStopped = fmt.Errorf("%w; nothing was written", terminal.ErrStopped)

// FrontEnd is how the set-up talks to the user.
type FrontEnd interface {
	Output
	Asker
}

// Output shows the progress.
type Output interface {
	Say(format string, args ...any)
	OK(format string, args ...any)     // a success
	Failed(format string, args ...any) // a failure
	Step(check.Step)                   // a step of a trial
}

// Asker asks questions. An error ends the set-up; terminal.ErrStopped says that
// the user has left.
type Asker interface {
	// Interactive reports whether questions can be asked.
	Interactive() bool
	// Ask asks for a line; an empty answer means preset.
	Ask(ctx context.Context, question, preset string) (string, error)
	// Secret asks for a line that is not shown.
	Secret(ctx context.Context, question string) (string, error)
	// Choose asks for one of some words; an empty answer means the first.
	Choose(ctx context.Context, question string, words ...string) (string, error)
	// Confirm asks for yes or no; an empty answer means preset.
	Confirm(ctx context.Context, question string, preset bool) (bool, error)
}
