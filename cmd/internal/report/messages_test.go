package report

import (
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Of a message that was forwarded the ledger has no sender and subject: the table has
// its time and Message-ID, by which it is found in the inbox.
func TestMessageTable(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 30, 0, 0, time.Local)
	about := ledger.Excerpt{MessageID: "<1@example.net>", From: "Anna <anna@example.net>", Subject: "Dinner"}
	var out strings.Builder
	p := NewMessagePrinter(&out, false)
	for _, r := range []*ledger.Record{
		{Known: ledger.Known{UID: "1", State: ledger.Forwarded, Size: 100, ForwardedAt: at}, Excerpt: ledger.Excerpt{MessageID: about.MessageID}},
		{Known: ledger.Known{UID: "2", State: ledger.Held, Size: 200, Cause: ledger.Cause{Text: "refused: 550 no"}}, Excerpt: about},
	} {
		if err := p.Print("isp", r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"forwarded  100 B  2026-11-28 12:30:00; <1@example.net>\n", "held       200 B  from Anna <anna@example.net>; Dinner; refused: 550 no\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant %q in it", out.String(), want)
		}
	}
}
