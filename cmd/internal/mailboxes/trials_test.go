package mailboxes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/check"
)

// said is a setup.Output that keeps what is said.
type said struct{ strings.Builder }

func (s *said) Say(format string, args ...any)    { fmt.Fprintf(s, format+"\n", args...) }
func (s *said) OK(format string, args ...any)     { s.Say(format, args...) }
func (s *said) Failed(format string, args ...any) { s.Say(format, args...) }
func (s *said) Step(check.Step)                   {}

// Of any minute, five trials begin in it. Who has to wait is told, and may leave.
func TestTrials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l trials
		var out said
		began := time.Now()
		var at []time.Duration
		for i := range 12 {
			if err := l.begin(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(began))
			if i < maxTrials {
				time.Sleep(time.Second)
			}
		}
		for i := range at[maxTrials:] {
			if gap := at[i+maxTrials] - at[i]; gap < time.Minute {
				t.Errorf("trials %d to %d began within %v, want no six in a minute: %v", i, i+maxTrials, gap, at)
			}
		}
		if at[4] != 4*time.Second || at[5] != time.Minute || !strings.Contains(out.String(), "The next trial begins in 55 s.") {
			t.Errorf("the trials began at %v, want the first five at once and the sixth after a minute; said:\n%s", at, out.String())
		}
		left := errors.New("left")
		ctx, leave := context.WithCancelCause(t.Context())
		leave(left)
		if err := l.begin(ctx, &out); !errors.Is(err, left) {
			t.Errorf("who leaves gets %v, want %v", err, left)
		}
	})
}
