package ledgertest

import (
	"bufio"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// testOneHolder: under the lease, each process reads a counter and writes it back
// incremented. If two ever held the lease at once, increments would be lost.
func testOneHolder(t *testing.T, k Kind) {
	f := setup(t, k)
	const processes, rounds = 20, 5
	must(t, f.lease.Release())
	var all []*child
	for range processes {
		all = append(all, start(t, "count", f.address, strconv.FormatInt(f.account.ID, 10), strconv.Itoa(rounds)))
	}
	for _, c := range all {
		c.wait(t)
	}
	a, err := f.lease.Account(f)
	must(t, err)
	equal(t, "counted under the lease", a.Failures, processes*rounds)
}

func testKilledHolder(t *testing.T, k Kind) {
	f := setup(t, k)
	must(t, f.lease.Release())
	c := start(t, "hold", f.address, strconv.FormatInt(f.account.ID, 10))
	c.line(t)
	_, err := f.store.Lease(f, f.account.ID)
	wantError(t, "a lease that another process holds", err, ledger.ErrLeased)
	c.kill()
	takeSoon(t, f.store, f.account.ID)
}

// testKilledWriter: a child writes pairs of records in one Put each, and prints
// the UID after each. It is killed at random instants.
func testKilledWriter(t *testing.T, k Kind) {
	f := setup(t, k)
	said := make(map[string]bool)
	for life := range 5 {
		must(t, f.lease.Release())
		c := start(t, "write", f.address, strconv.FormatInt(f.account.ID, 10), strconv.Itoa(life))
		for range rand.IntN(300) + 1 {
			said[c.line(t)] = true
		}
		for _, line := range c.kill() {
			said[line] = true
		}
		f.lease = takeSoon(t, f.store, f.account.ID)
		f.survived(t, said)
	}
}

// survived fails unless every UID that was printed has a row, each row has its
// twin, and all are in a state that a dead process can leave.
func (f *fixture) survived(t *testing.T, said map[string]bool) {
	t.Helper()
	there := make(map[string]bool)
	for _, k := range f.known(t) {
		there[k.UID] = true
		if k.State != ledger.Unknown && k.State != ledger.Forwarded {
			t.Errorf("%s is %s, want %s or %s", k.UID, k.State, ledger.Unknown, ledger.Forwarded)
		}
	}
	for uid := range said {
		if !there[uid] {
			t.Errorf("%s was put, but has no row", uid)
		}
	}
	for uid := range there {
		if base := strings.TrimSuffix(uid, twin); !there[base] || !there[base+twin] {
			t.Errorf("%s is there, but not the other record of its Put", uid)
		}
	}
}

func testOpenAtOnce(t *testing.T, k Kind) {
	address := k.New(t)
	var all []*child
	for range 20 {
		all = append(all, start(t, "claim", address))
	}
	ids := make(map[string]bool)
	for _, c := range all {
		ids[c.line(t)] = true
		c.wait(t)
	}
	if len(ids) != 1 {
		t.Errorf("20 processes claimed one mailbox as the accounts %v, want one account", ids)
	}
}

// child is a process that plays a role.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer // closing it ends the process
	lines *bufio.Scanner
}

// line returns the next line that it printed.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("a process ended early: %v, %v", c.lines.Err(), c.cmd.Wait())
	}
	return c.lines.Text()
}

// wait lets it end by itself.
func (c *child) wait(t *testing.T) {
	t.Helper()
	_ = c.stdin.Close()
	for c.lines.Scan() {
		continue // Wait wants all to be read
	}
	must(t, c.cmd.Wait())
}

// kill kills it with SIGKILL and returns the lines that it had printed by then.
func (c *child) kill() (rest []string) {
	_ = c.cmd.Process.Kill()
	for c.lines.Scan() {
		rest = append(rest, c.lines.Text())
	}
	_ = c.cmd.Wait() // "signal: killed"
	return rest
}
