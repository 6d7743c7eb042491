package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Process is the popferry that polls on schedule with a configuration.
type Process struct {
	Running bool
	Since   time.Time // when it was started; zero: not known
	Where   string    // which process, on which machine; "": not known
	Problem string    // why it does not work; "": it does
}

// The states of accounts in status.
const (
	stateOff     = "disabled"
	stateNew     = "new"     // never polled
	stateFailed  = "FAILED"  // the last poll, or its destination
	stateHeld    = "held"    // messages wait for the user
	stateWaiting = "waiting" // messages wait for their next try
	stateOK      = "ok"
)

// accountState is the worst that is to be said of an account.
func accountState(s AccountStatus, enabled, failed bool) string {
	switch {
	case !enabled:
		return stateOff
	case failed:
		return stateFailed
	case s.LastPoll == nil:
		return stateNew
	case s.Held > 0:
		return stateHeld
	case s.Deferred+s.Unknown > 0:
		return stateWaiting
	}
	return stateOK
}

// lastSeen is when a popferry was last at work: now, or at the last poll.
func lastSeen(p Process, list []AccountStatus) (seen time.Time) {
	if p.Running {
		return time.Now()
	}
	for _, s := range list {
		if s.LastPoll != nil && s.LastPoll.After(seen) {
			seen = *s.LastPoll
		}
	}
	return seen
}

// StatusText is what status says to people.
type StatusText struct {
	Process  Process
	Accounts []AccountStatus
	Replicas []ReplicaStatus
	Lines    []string // about sign-ins
	Copies   copies.Found
	Now      time.Time
	Width    int // of the terminal, in columns; 0: not a terminal
}

// Print prints whether popferry runs, a table, those that share the ledger, and below it the errors of the
// accounts that have one, what waits for the user, the lines, and the copies that no
// poll sends.
func (t StatusText) Print(out io.Writer) error {
	paragraphs := append([]string{t.running(), strings.TrimSuffix(t.table(), "\n")}, t.replicas()...)
	for _, s := range t.Accounts {
		if s.LastError != "" {
			paragraphs = append(paragraphs, cause.StoredLine(s.Name, s.cause))
		}
	}
	if held := t.held(); held != "" {
		paragraphs = append(paragraphs, held)
	}
	for _, s := range t.Accounts {
		if s.Waiting > 0 {
			paragraphs = append(paragraphs, fmt.Sprintf("%s: waiting in the mailbox for later polls (max_messages, or the rate of its destination): %s", s.Name, terminal.Count(s.Waiting, "message")))
		}
	}
	paragraphs = append(append(paragraphs, t.Lines...), CopyLines(t.Copies)...)
	_, err := fmt.Fprintln(out, strings.Join(paragraphs, "\n\n"))
	return err
}

// running says whether popferry runs. The usual reason for missing mail is that it
// does not.
func (t StatusText) running() string {
	switch p := t.Process; {
	case p.Running && p.Problem != "":
		return "popferry is running, but does not work: " + p.Problem + ". Its log says more."
	case p.Running && !p.Since.IsZero():
		return "popferry is running, since " + terminal.Time(p.Since) + "."
	case p.Running:
		return "popferry is running."
	}
	seen := lastSeen(t.Process, t.Accounts)
	if seen.IsZero() {
		return "popferry is not running, and has never polled. Start it with popferry run, or poll once with popferry run --once."
	}
	text := fmt.Sprintf("popferry is not running, last seen %s (%s ago).", terminal.Time(seen), terminal.Span(max(0, t.Now.Sub(seen))))
	for _, s := range t.Accounts {
		// Only a popferry with a schedule notes the next poll.
		if s.NextPoll != nil && s.State != stateOff && s.NextPoll.Before(t.Now) {
			return text + " Polls are overdue: start it with popferry run, or as the service that it was."
		}
	}
	return text + " If cron or a timer starts popferry run --once, that is as it should be."
}

// held says what to do about messages that wait for the user.
func (t StatusText) held() string {
	n := 0
	for _, s := range t.Accounts {
		n += s.Held
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "1 message is held and waits for you: see popferry messages --state held, then popferry retry or popferry skip."
	}
	return fmt.Sprintf("%d messages are held and wait for you: see popferry messages --state held, then popferry retry or popferry skip.", n)
}

// column is one of the table.
type column struct {
	title string
	cell  func(t StatusText, s AccountStatus) string
}

// columns are those of the table, the least important last: they are left out where
// the terminal is too narrow.
func columns() []column {
	return []column{
		{"ACCOUNT", func(_ StatusText, s AccountStatus) string { return s.Name }},
		{"STATE", func(_ StatusText, s AccountStatus) string { return s.State }},
		{"LAST OK", func(t StatusText, s AccountStatus) string { return shortTime(s.LastSuccess, t.Now) }},
		{"NEXT", StatusText.next},
		{"HELD", func(_ StatusText, s AccountStatus) string { return fmt.Sprint(s.Held) }},
		{"WAITING", func(_ StatusText, s AccountStatus) string { return fmt.Sprint(s.Deferred + s.Unknown) }},
		{"FORWARDED", func(_ StatusText, s AccountStatus) string { return fmt.Sprint(s.Forwarded) }},
		{"ON SERVER", func(_ StatusText, s AccountStatus) string { return fmt.Sprint(s.OnServer) }},
		{"SKIPPED", func(_ StatusText, s AccountStatus) string { return fmt.Sprint(s.Skipped) }},
	}
}

// leastColumns are those that are never left out.
const leastColumns = 2

// table is the accounts, with as many columns as fit.
func (t StatusText) table() string {
	for n := len(columns()); ; n-- {
		text := t.tableOf(n)
		if n == leastColumns || widest(text) <= cmp.Or(t.Width, widest(text)) {
			return text
		}
	}
}

// tableOf is the table with so many columns.
func (t StatusText) tableOf(n int) string {
	var b strings.Builder
	columns := columns()
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cell func(i int) string) {
		cells := make([]string, n)
		for i := range cells {
			cells[i] = cell(i)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	row(func(i int) string { return columns[i].title })
	for _, s := range t.Accounts {
		row(func(i int) string { return columns[i].cell(t, s) })
	}
	_ = w.Flush() // to a strings.Builder
	return b.String()
}

// widest is the length of the longest line, in characters.
func widest(text string) (n int) {
	for line := range strings.Lines(text) {
		n = max(n, utf8.RuneCountInString(strings.TrimRight(line, "\n")))
	}
	return n
}

// next is when an account is polled next.
func (t StatusText) next(s AccountStatus) string {
	if t.Process.Running && s.State != stateOff && s.NextPoll != nil && !s.NextPoll.After(t.Now) {
		return "now"
	}
	return shortTime(s.NextPoll, t.Now)
}

// shortTime is a time of the last or next 24 hours as 15:04, and else a day.
func shortTime(at *time.Time, now time.Time) string {
	switch {
	case at == nil:
		return "-"
	case now.Sub(*at).Abs() < 24*time.Hour:
		return at.Local().Format("15:04")
	case now.Sub(*at).Abs() < 300*24*time.Hour:
		return at.Local().Format("Jan 02")
	}
	return at.Local().Format(time.DateOnly)
}
