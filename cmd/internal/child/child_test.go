//go:build unix

package child

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := Environment([]string{"HOME=/root", "SECRET=hunter2", "NOTIFY_SOCKET=/run/x", "SECRETS=no"}, []string{"SECRET"})
	if want := []string{"HOME=/root", "SECRETS=no"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestStop: a program that does not end by itself is ended, with what it started.
func TestStop(t *testing.T) {
	t.Parallel()
	p, err := Start(exec.Command("sh", "-c", "trap '' TERM HUP; sleep 1000 & wait"))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
		t.Fatalf("the program ended by itself: %v", p.Err())
	case <-time.After(50 * time.Millisecond):
	}
	p.Stop(time.Millisecond)
	if p.Err() == nil {
		t.Error("got success, want that it was killed")
	}
}

func TestStartOfNoProgram(t *testing.T) {
	t.Parallel()
	if _, err := Start(exec.Command("/no/such/program")); err == nil {
		t.Error("got no error for a program that is not there")
	}
}
