package message

import (
	"net/mail"
	"strings"
	"testing"
	"time"
)

func TestArrived(t *testing.T) {
	t.Parallel()
	const zone = "Mon, 02 Nov 2026 11:00:00 +0100"
	now := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	second := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		received, date string
		want           time.Time
	}{
		"by Received":                     {"from a by b; with c; " + zone, "Sun, 01 Nov 2026 10:00:00 +0000", second},
		"Received with a comment":         {"from a by b; " + zone + " (CET)", "", second},
		"Received long ago":               {"by b; Mon, 02 Nov 2015 10:00:00 +0000", zone, time.Date(2015, 11, 2, 10, 0, 0, 0, time.UTC)},
		"Received without a date":         {"from a by b", zone, second},
		"Received in the future":          {"by b; Mon, 02 Nov 2099 10:00:00 +0000", zone, second},
		"Received by a clock at its zero": {"by b; Thu, 01 Jan 1970 00:00:10 +0000", zone, second},
		"by Date":                         {"", zone, second},
		"Date before it can have come":    {"", "Fri, 30 Oct 2026 10:00:00 +0000", now},
		"Date in the future":              {"", "Fri, 06 Nov 2026 10:00:00 +0000", now},
		"no date at all":                  {"", "yesterday", now},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (Header{Received: tt.received, Date: tt.date}).Arrived(since, now); !got.Equal(tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestParseDate: the way for usual dates leads to what net/mail makes of them.
func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, date := range []string{
		"Sun, 01 Nov 2026 10:00:00 +0000", "Sun, 1 Nov 2026 10:00:00 +0000", " Sun, 1 Nov 2026 10:00:00 -0330\t", "1 Nov 2026 10:00:00 +0000",
		"Sun, 01 Nov 2026 10:00:00 +0000 (UTC)", "Sun, 01 Nov 2026 10:00:00 +0000 (a (b) c)", "Sun, 01 Nov 2026 10:00:00 +0000 (", "Sun, 01 Nov 2026 10:00:00 +0000 (a",
		"Sun, 01 Nov 2026 10:00:00 +0000 (a) b", "Sun, 01 Nov 2026 10:00:00 +0000 (a(", `Sun, 01 Nov 2026 10:00:00 +0000 (a\)`, "Sun, 01 Nov 2026 10:00:00 +0000 ()", "Sun, 01 Nov 2026 10:00 +0000",
		"Sun, 01 Nov 2026 10:00:00 GMT", "Sun, 01 Nov 26 10:00:00 +0000", "Sun,  1 Nov 2026 10:00:00 +0000", "Sun, 31 Feb 2026 10:00:00 +0000", "soon", "",
	} {
		got, err := parseDate(date)
		want, wantErr := mail.ParseDate(strings.TrimSpace(date))
		if !got.Equal(want) || got.Format(time.RFC3339) != want.Format(time.RFC3339) || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: got %v (%v), want %v (%v)", date, got, err, want, wantErr)
		}
	}
}

// BenchmarkArrived reads the date of the topmost Received line.
func BenchmarkArrived(b *testing.B) {
	h := Header{Received: "from a by b; Sun, 01 Nov 2026 10:00:00 +0000 (UTC)"}
	now := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if h.Arrived(time.Time{}, now).Equal(now) {
			b.Fatal("the line was not read")
		}
	}
}
