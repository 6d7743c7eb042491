package main

import (
	"cmp"
	"context"
	"flag"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
)

var (
	matrixAll  = flag.Bool("matrix", false, "whether TestMatrix tries all pairs of servers, not only the most usual ones")
	matrixMail = flag.String("matrix-mail", "", "a `folder` whose *.eml files TestMatrix sends as well")
)

// matrixSource is a POP3 server with a mailbox to fetch from, without TLS.
type matrixSource struct {
	addr, user, password string
	// number is the number of a message with this UID, which the server's first
	// session decides, and that is popferry's; nil: a session before tells it.
	number func(uid string) int
}

// matrixTarget is where popferry forwards to, and where the mail ends.
type matrixTarget struct {
	forward string // the destination in the configuration
	// mail yields what is in the mailbox of a user: of inbox, where mail has to end,
	// and of bounces, the envelope sender.
	mail func(user string) iter.Seq[[]byte]
	idle func(context.Context) error // waits until no mail is on its way
}

// matrixCell is one pair of servers.
type matrixCell struct {
	name  string
	usual bool // tried in every run
	start func(t *testing.T, mail []oddMessage) (matrixSource, matrixTarget)
	// stays has the messages that are not forwarded, by name, with the beginning of
	// their state and a part of the reason, such as "held: too large".
	stays map[string]string
	// changes are what the servers themselves do to messages.
	changes []string
	// without has messages that are not sent: the source cannot store them, or the
	// first server accepts them and the second one does not, which popferry cannot
	// know.
	without []string
	// noFolder: the messages of -matrix-mail are not sent; the source may not be able
	// to tell them apart.
	noFolder bool
}

// On its way through real servers every odd message ends in the final mailbox
// once, or is shown with the reason why it does not. None is accepted and bounced.
//
//	go test ./cmd/popferry -run TestMatrix -v -matrix -matrix-mail FOLDER
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, cell := range matrixCells() {
		if cell.usual || *matrixAll {
			t.Run(cell.name, func(t *testing.T) {
				t.Parallel()
				cell.run(t)
			})
		}
	}
}

func (c matrixCell) run(t *testing.T) {
	mail := slices.DeleteFunc(oddMessages(), func(m oddMessage) bool { return slices.Contains(c.without, m.name) })
	own := len(mail)
	if *matrixMail != "" && !c.noFolder {
		mail = append(mail, mailFrom(t, *matrixMail)...)
	}
	source, target := c.start(t, mail)
	var uids []string
	if source.number == nil {
		uids = listMailbox(t, source)
	}
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: %q, password: %q, leave_on_server: false}
forward:
  - %s
`, testworld.HostPort(t, source.addr), source.user, source.password, target.forward)
	said := pollAll(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := target.idle(ctx); err != nil {
		t.Error(err)
	}

	result := newMatrixResult(t, cfg, source, target)
	if source.number != nil {
		uids = slices.SortedFunc(maps.Keys(result.records), func(a, b string) int { return cmp.Compare(source.number(a), source.number(b)) })
	}
	if len(uids) != len(mail) {
		t.Fatalf("%d messages at the source, want %d", len(uids), len(mail))
	}
	for i, m := range mail {
		result.judge(m, uids[i])
	}
	if result.forwarded != len(result.inbox) {
		t.Errorf("%d messages were forwarded, and %d are in the inbox; want as many", result.forwarded, len(result.inbox))
	}
	for _, m := range mail[:own] {
		c.checkStays(t, m.name, result.stayed[m.name])
	}
	for _, change := range slices.Sorted(maps.Keys(result.changed)) {
		if !slices.Contains(c.changes, change) && *matrixMail == "" {
			t.Errorf("%s, which these servers are not known to do: in %q", change, result.changed[change])
		}
	}
	t.Log(result.report(c.name))
	if t.Failed() {
		t.Log(said)
	}
}

// checkStays checks whether a message should have stayed at the source, and why.
func (c matrixCell) checkStays(t *testing.T, name, got string) {
	t.Helper()
	state, reason, _ := strings.Cut(c.stays[name], ": ")
	if c.stays[name] == "" && got != "" || !strings.HasPrefix(got, state) || !strings.Contains(got, reason) {
		t.Errorf("%q: got %q, want %q (empty: forwarded)", name, got, c.stays[name])
	}
}

// pollAll polls until nothing changes any more. It waits for the end of LOGIN-DELAY.
func pollAll(t *testing.T, cfg string) (said string) {
	t.Helper()
	const most = 12
	last := ""
	for polls := 0; polls < most; {
		code, out, errs := popferry(t, "run", "--once", "--now", "--config", cfg)
		said += out + errs
		if _, end, ok := strings.Cut(errs, "LOGIN-DELAY ends at "); ok {
			at, err := time.ParseInLocation(time.DateTime, end[:min(len(end), len(time.DateTime))], time.Local)
			if err != nil {
				t.Fatalf("popferry said %q, want a time: %v", errs, err)
			}
			time.Sleep(time.Until(at.Add(time.Second)))
			continue
		}
		counts, _, _ := strings.Cut(out, " on server") // without the time that it took
		if code == exitOK && counts == last {
			break
		}
		last = counts
		polls++
	}
	return said
}
