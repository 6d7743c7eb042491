package web_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

// busy fills a site with whatever a page can have to show.
func (s *site) busy() {
	account := func(id int64, name string, n map[ledger.State]int) web.Account {
		return web.Account{ID: id, Name: name, Enabled: true, LastPoll: noon.Add(-3 * time.Minute), LastSuccess: noon.Add(-3 * time.Minute),
			NextPoll: noon.Add(7 * time.Minute), OnServer: n[ledger.Forwarded] / 3, Counts: n}
	}
	isp := account(1, "isp", map[ledger.State]int{ledger.Forwarded: 1284, ledger.Held: 1, ledger.Deferred: 1, ledger.Skipped: 2})
	work := account(2, "work", map[ledger.State]int{ledger.Forwarded: 8031, ledger.Unknown: 1})
	club := account(3, "treasurer@club.example", map[ledger.State]int{ledger.Forwarded: 96})
	club.Failures, club.LastSuccess, club.NextPoll = 4, noon.Add(-9*time.Hour), noon.Add(70*time.Minute)
	club.Cause = ledger.Cause{Code: "credentials", Text: "PASS at pop.club.example:995: -ERR [AUTH] Authentication failed."}
	fresh := web.Account{ID: 4, Name: "new", Enabled: true, NextPoll: noon.Add(2 * time.Second)}
	s.ledger.accounts = []web.Account{work, isp, club, fresh, {ID: 5, Name: "old", Counts: map[ledger.State]int{ledger.Forwarded: 7}}}
	for i := range 30 {
		date := noon.AddDate(0, 0, -i).Format(time.DateOnly)
		for id, n := range map[int64]int{1: (i*7)%23 + 20 - i%7*3, 2: (i*13)%90 + 150 - i%7*25, 3: i % 5} {
			s.ledger.days = append(s.ledger.days, ledger.Day{Account: id, Date: date, Outcome: ledger.Forwarded, Count: n})
		}
	}
	s.ledger.days = append(s.ledger.days,
		ledger.Day{Account: 1, Date: noon.Format(time.DateOnly), Outcome: ledger.Held, Count: 1},
		ledger.Day{Account: 1, Date: noon.AddDate(0, 0, -9).Format(time.DateOnly), Outcome: ledger.Deferred, Count: 6})
	message := func(account, uid string, state ledger.State, code, text, from, subject string) web.Message {
		return web.Message{Account: account, Record: &ledger.Record{
			Known:     ledger.Known{UID: uid, State: state, Size: 48_200, Attempts: 2, NextAttempt: noon.Add(25 * time.Minute), Cause: ledger.Cause{Code: code, Text: text}},
			FirstSeen: noon.Add(-26 * time.Hour), Excerpt: ledger.Excerpt{From: from, Subject: subject},
		}}
	}
	s.ledger.waiting = []web.Message{
		message("isp", "uid-1\x00\xff", ledger.Held, "refused", "550 5.7.1 this looks like spam to mx.example.org", `"Prize Office" <prize@lottery.example>`, "You have won"),
		message("work", "uid-2", ledger.Unknown, "in_doubt", "final dot: EOF", "Ann <ann@example.com>", "Minutes of the meeting on Thursday"),
		message("isp", "uid-3", ledger.Deferred, "deferred", "451 4.7.1 greylisted, try again later", `"<b>Office</b>" <board@club.example>`, "Grüße <script>alert(1)</script>"),
	}
}

// TestInBrowser takes pictures of the pages, in both themes, on a wide and on a
// narrow screen, where Chromium is installed. With POPFERRY_SCREENSHOTS they
// are kept in that folder, to be looked at.
func TestInBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip(err)
	}
	folder := os.Getenv("POPFERRY_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	for _, tt := range []struct {
		name, path    string
		dark, inside  bool
		width, height int
	}{
		{"light", "/", false, true, 1200, 1500},
		{"dark", "/", true, true, 1200, 1500},
		{"narrow", "/", false, true, 400, 2600},
		{"outside", "/", true, false, 1200, 1100},
		{"login", "/login", false, false, 800, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.busy()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.inside {
					r.SetBasicAuth("", s.password)
				}
				s.ServeHTTP(w, r)
			}))
			defer server.Close()
			scheme := 1 // blink's number for light
			if tt.dark {
				scheme = 0
			}
			file := filepath.Join(folder, tt.name+".png")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
				"--user-data-dir="+t.TempDir(), fmt.Sprintf("--window-size=%d,%d", tt.width, tt.height),
				fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme), "--screenshot="+file, server.URL+tt.path)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if bytes.Contains(out, []byte("Content Security Policy")) {
				t.Errorf("the page breaks its own policy:\n%s", out)
			}
			darkness(t, file, tt.dark)
		})
	}
}

// darkness holds that a picture's corner is as its theme wants it.
func darkness(t *testing.T, file string, dark bool) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := picture.At(2, 2).RGBA(); (r+g+b)/3 < 0x8000 != dark {
		t.Errorf("the page is %s, dark is %t", strings.TrimSpace(fmt.Sprintln(r>>8, g>>8, b>>8)), dark)
	}
}
