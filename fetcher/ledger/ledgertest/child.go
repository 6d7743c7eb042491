package ledgertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// roleVariable names, in a child's environment, the role that it plays.
const roleVariable = "POPFERRY_LEDGERTEST_ROLE"

// twin ends the UID of the second record of a pair.
const twin = "-twin"

// start starts this test binary in a role, with arguments for it.
func start(t *testing.T, role string, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), maxLife)
	t.Cleanup(cancel)
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return &child{cmd: cmd, stdin: in, lines: bufio.NewScanner(out)}
}

// IsChild reports whether this process was started by a test to play a role.
// TestMain then ends with Child's exit code instead of running tests.
func IsChild() bool { return os.Getenv(roleVariable) != "" }

// Child plays the role and returns the exit code.
func (k Kind) Child() int {
	role, ok := map[string]func(context.Context, ledger.Store, []string) error{
		"count": count,
		"hold":  hold,
		"write": write,
		"claim": claimOnce,
		"renew": renew,
	}[os.Getenv(roleVariable)]
	if !ok || len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "unknown role, or no address")
		return 1
	}
	ctx := context.Background()
	s, err := k.Open(ctx, os.Args[1], nil)
	if err == nil {
		err = errors.Join(role(ctx, s, os.Args[2:]), s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// count increments an account's failures a number of times, each under a lease of
// its own.
func count(ctx context.Context, s ledger.Store, args []string) error {
	rounds, err := strconv.Atoi(args[1])
	for i := 0; i < rounds && err == nil; i++ {
		err = underLease(ctx, s, args[0], func(l ledger.Lease) error {
			a, err := l.Account(ctx)
			if err != nil {
				return err
			}
			a.Failures++
			return l.PutAccount(ctx, a)
		})
	}
	return err
}

// hold takes a lease, prints a line and keeps the lease until its parent ends.
func hold(ctx context.Context, s ledger.Store, args []string) error {
	return underLease(ctx, s, args[0], func(ledger.Lease) error {
		fmt.Println("held")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

// write puts pairs of records until it is killed, from four goroutines, first as
// Sending, then as Forwarded, and prints the UID after each Put.
func write(ctx context.Context, s ledger.Store, args []string) error {
	return underLease(ctx, s, args[0], func(l ledger.Lease) error {
		out := &lockedWriter{w: bufio.NewWriter(os.Stdout)}
		errs := make(chan error, 4)
		for g := range cap(errs) {
			go func() { errs <- writePairs(ctx, l, out, fmt.Sprintf("%s.%d", args[1], g)) }()
		}
		return <-errs
	})
}

func writePairs(ctx context.Context, l ledger.Lease, out *lockedWriter, prefix string) error {
	for i := 0; ; i++ {
		a := in(ledger.Sending, fmt.Sprintf("%s.%d", prefix, i))
		b := in(ledger.Sending, a.UID+twin)
		for _, s := range []ledger.State{ledger.Sending, ledger.Forwarded} {
			a.State, b.State = s, s
			if err := l.Put(ctx, a, b); err != nil {
				return err
			}
			if err := out.say(a.UID); err != nil {
				return err
			}
		}
	}
}

// claimOnce claims one mailbox and prints its ID.
func claimOnce(ctx context.Context, s ledger.Store, _ []string) error {
	accounts, err := s.Claim(ctx, []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	if err != nil {
		return err
	}
	fmt.Println(accounts[0].ID)
	return nil
}

// The pause between two tries for a lease grows from one to the other. Without one,
// twenty processes that try would leave no processor to the one that holds it.
const (
	firstRetry   = time.Millisecond
	longestRetry = 64 * time.Millisecond
)

// await takes a lease once it is free.
func await(ctx context.Context, s ledger.Store, account int64) (ledger.Lease, error) {
	for wait := firstRetry; ; wait = min(2*wait, longestRetry) {
		l, err := s.Lease(ctx, account)
		if !errors.Is(err, ledger.ErrLeased) {
			return l, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// underLease waits until it has the lease.
func underLease(ctx context.Context, s ledger.Store, account string, do func(ledger.Lease) error) error {
	id, err := strconv.ParseInt(account, 10, 64)
	if err != nil {
		return err
	}
	l, err := await(ctx, s, id)
	if err != nil {
		return err
	}
	return errors.Join(do(l), l.Release())
}

// lockedWriter writes whole lines, each at once.
type lockedWriter struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (o *lockedWriter) say(line string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := fmt.Fprintln(o.w, line); err != nil {
		return err
	}
	return o.w.Flush()
}
