package web_test

import (
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
