package notice_test

import (
	"fmt"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/notice"
	"github.com/popferry/popferry/fetcher/ledger"
)

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// held returns held messages with these ids.
func held(ids ...int64) (out []*ledger.Record) {
	for _, id := range ids {
		out = append(out, &ledger.Record{Known: ledger.Known{ID: id},
			Excerpt: ledger.Excerpt{From: "a\x1b[2J@example.org", Subject: fmt.Sprintf("grüße %d\r\nBcc: x", id)}})
	}
	return out
}

// TestDecide: one account, hour by hour. Each step has the rows that the one
// before has stored.
func TestDecide(t *testing.T) {
	t.Parallel()
	var rows []ledger.Notice
	for _, step := range []struct {
		hour    int
		fails   bool
		blocked bool // by its destination
		held    []int64
		late    []int64
		unsent  bool // sending fails
		want    string
		first   int64 // the message that is listed first
	}{
		{hour: 0},
		{hour: 1, fails: true},
		{hour: 23, fails: true},
		{hour: 24, fails: true, unsent: true, want: "failing"}, // its last success was at 0
		{hour: 25, fails: true, want: "failing"},
		{hour: 60, fails: true},
		{hour: 61, want: "recovered"},
		{hour: 62},
		{hour: 63, blocked: true},
		{hour: 64}, // short: nothing
		{hour: 70, blocked: true},
		{hour: 94, blocked: true, want: "failing"},
		{hour: 95, held: []int64{5, 6}, want: "recovered held"},
		{hour: 96, held: []int64{5, 6}},
		{hour: 97, held: []int64{3, 5, 6}}, // one digest a day
		{hour: 119, held: []int64{3, 5, 6}, want: "held", first: 3},
		{hour: 150, held: []int64{6}}, // two were settled
		{hour: 151, held: []int64{6, 8}, want: "held"},
		{hour: 180, held: []int64{6, 9}, want: "held", first: 9}, // as many as before, but not the same
		{hour: 210, held: []int64{9}},
		{hour: 211, held: []int64{6, 9}, unsent: true, want: "held"}, // settled, and held once more
		{hour: 212, held: []int64{6, 9}, want: "held"},
		{hour: 240, held: []int64{6, 9}},
		{hour: 250, held: []int64{6, 9}, late: []int64{4}, want: "late"},
		{hour: 251, held: []int64{6, 9}, late: []int64{4, 5}}, // one digest a day for all
		{hour: 274, held: []int64{6, 9}, late: []int64{4, 5}, want: "late"},
		{hour: 300, held: []int64{4, 6, 9}, late: []int64{5}, want: "held", first: 4}, // it waits for a decision now
		{hour: 330, held: []int64{4, 6, 9}, late: []int64{5}},
		{hour: 340, held: []int64{4, 6, 9}}, // forwarded
	} {
		now := start.Add(time.Duration(step.hour) * time.Hour)
		a := notice.Account{Account: ledger.Account{ID: 7, Identity: ledger.Identity{Name: "isp"}, LastPoll: now, LastSuccess: now}, Held: held(step.held...), Late: held(step.late...)}
		if step.fails || step.blocked {
			a.LastSuccess = time.Time{}
			if step.hour < 60 {
				a.LastSuccess = start
			}
			a.Cause = ledger.Cause{Code: "credentials", Text: "-ERR"}
		}
		if step.fails {
			a.Failures = 1
		}
		n, seen, told := notice.Decide(now, 24*time.Hour, []notice.Account{a}, rows)
		var got []string
		if len(n.Failing) > 0 {
			got = append(got, "failing")
		}
		if len(n.Recovered) > 0 {
			got = append(got, "recovered")
		}
		if len(n.Held) > 0 {
			got = append(got, "held")
		}
		if len(n.Late) > 0 {
			got = append(got, "late")
		}
		if s := strings.Join(got, " "); s != step.want {
			t.Errorf("at %d: %q, want %q", step.hour, s, step.want)
		}
		if step.first != 0 && (n.Held[0].Messages[0].ID != step.first || n.Held[0].New != 1) {
			t.Errorf("at %d: %d new messages, message %d first; want 1 and %d", step.hour, n.Held[0].New, n.Held[0].Messages[0].ID, step.first)
		}
		if n.Empty() != (step.want == "") || len(told) > 0 != (step.want != "") {
			t.Errorf("at %d: got %+v and rows %v, want both empty: %t", step.hour, n, told, step.want == "")
		}
		if len(seen) > 0 {
			rows = seen
		}
		if len(told) > 0 && !step.unsent {
			rows = told
		}
	}
}

// TestMessage: the header says that a program sent it, and text from others
// cannot change the header.
func TestMessage(t *testing.T) {
	t.Parallel()
	a := notice.Account{Account: ledger.Account{Identity: ledger.Identity{Name: "isp\r\nBcc: x"}}}
	n := notice.News{Failing: []notice.Account{a}, Since: []time.Time{start}, Recovered: []notice.Account{a},
		Held: []notice.Waiting{{Account: a, Messages: held(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), New: 2}},
		Late: []notice.Waiting{{Account: a, Messages: held(13), New: 1}}}
	l := notice.Message(start, n, "me@example.org", []string{"a@example.org", "b@example.org"})
	octets, err := io.ReadAll(l.Body())
	if err != nil || int64(len(octets)) != l.Size {
		t.Fatalf("read %d octets, %v; want %d", len(octets), err, l.Size)
	}
	m, err := mail.ReadMessage(strings.NewReader(string(octets)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Bcc") != "" {
		t.Errorf("header %v, want Auto-Submitted: auto-generated and no Bcc", m.Header)
	}
	for _, c := range octets {
		if c > 126 || c == 0x1b {
			t.Fatalf("octet %#x, want only printable ASCII in\n%s", c, octets)
		}
	}
	for _, want := range []string{"12 messages are held", "the first 2 are new", "and 2 more", "1 message has been waiting for five days", "messages --state deferred"} {
		if !strings.Contains(strings.ReplaceAll(string(octets), "=\r\n", ""), want) {
			t.Errorf("want %q in %s", want, octets)
		}
	}
	id := m.Header.Get("Message-ID")
	if !notice.Own(&ledger.Record{Excerpt: ledger.Excerpt{MessageID: id}}) || notice.Own(held(1)[0]) {
		t.Errorf("Own: want true for %s, false for other mail", id)
	}
}

// An account that fails at two looks and worked in between has been failing since it
// worked last: a notice says nothing else.
func TestFailingSinceTheLastSuccess(t *testing.T) {
	t.Parallel()
	var rows []ledger.Notice
	look := func(at, success time.Duration) notice.News {
		a := notice.Account{Account: ledger.Account{ID: 7, Failures: 1, LastPoll: start.Add(at), LastSuccess: start.Add(success), Cause: ledger.Cause{Code: "credentials"}}}
		n, seen, told := notice.Decide(start.Add(at), 2*time.Minute, []notice.Account{a}, rows)
		if len(seen) > 0 {
			rows = seen
		}
		if len(told) > 0 {
			rows = told
		}
		return n
	}
	for _, step := range []struct {
		at, success time.Duration // of the look, and of the last success before
		since       time.Duration // in the notice; 0: there is none
	}{
		{time.Minute, 30 * time.Second, 0},
		{2 * time.Minute, 100 * time.Second, 0},
		{3 * time.Minute, 100 * time.Second, 0}, // for 80 s, not for 150
		{220 * time.Second, 100 * time.Second, 100 * time.Second},
	} {
		n := look(step.at, step.success)
		if len(n.Failing) > 0 != (step.since > 0) || step.since > 0 && !n.Since[0].Equal(start.Add(step.since)) {
			t.Errorf("at %s: got %d failing, since %v; want since %s", step.at, len(n.Failing), n.Since, step.since)
		}
	}
}
