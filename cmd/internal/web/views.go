package web

import (
	"encoding/hex"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/fetcher/ledger"
)

// accountView is an account as the page shows it.
type accountView struct {
	Name                        string
	Enabled                     bool
	Light                       light
	Word                        string
	LastPoll, LastSuccess, Next moment
	Overdue                     bool
	Numbers                     []number
	Chart                       chart
	Trouble                     *trouble
}

// number is a count with what it counts.
type number struct {
	N     int
	Word  string
	Class string
}

// trouble is a failure in words.
type trouble struct {
	What     string
	Evidence string // what was said, without the words around it
	Remedy   string
	Times    int // in a row
}

func newAccountView(a Account, c chart, now time.Time) accountView {
	v := accountView{
		Name: a.Name, Enabled: a.Enabled, Chart: c,
		LastPoll: newMoment(a.LastPoll, now), LastSuccess: newMoment(a.LastSuccess, now), Next: newMoment(a.NextPoll, now),
		Overdue: !a.NextPoll.IsZero() && now.After(a.NextPoll),
	}
	v.Light, v.Word = lightOf(a)
	put := func(n int, word, class string) {
		if n > 0 || class == "always" {
			v.Numbers = append(v.Numbers, number{n, word, class})
		}
	}
	put(a.Counts[ledger.Forwarded], "forwarded", "always")
	put(a.Counts[ledger.Held], "held", "held")
	put(a.Counts[ledger.Deferred]+a.Counts[ledger.Unknown]+a.Counts[ledger.Sending], "to try again", "later")
	put(a.Counts[ledger.Skipped], "skipped", "plain")
	put(a.OnServer, "on server", "always")
	if a.Cause.Code != "" {
		k := cause.ByCode(a.Cause.Code)
		v.Trouble = &trouble{What: sentenceCase(k.What), Evidence: a.Cause.Text, Remedy: k.Remedy, Times: a.Failures}
	}
	return v
}

// messageView is a message that waits. What names people and what servers said
// of it is empty for those who did not give the password.
type messageView struct {
	Account  string
	UID      string // its octets, in hexadecimal
	State    string
	Class    string
	Size     string
	Since    moment
	Next     moment // never, if it is held
	Attempts int
	What     string
	Remedy   string

	From, Subject, Reply string
}

func newMessageView(m Message, all bool, now time.Time) messageView {
	size := m.MessageSize
	if size == 0 {
		size = max(0, m.Size)
	}
	k := cause.ByCode(m.Cause.Code)
	if m.Cause.Code == "" {
		k = cause.Cause{What: "waits for the next poll"}
	}
	v := messageView{
		Account: m.Account, UID: hex.EncodeToString([]byte(m.UID)), State: m.State.String(), Class: "later",
		Size: octets(size), Since: newMoment(m.FirstSeen, now), Attempts: m.Attempts,
		What: sentenceCase(k.What), Remedy: k.Remedy,
	}
	if m.State == ledger.Held {
		v.Class = "held"
	} else {
		v.Next = newMoment(m.NextAttempt, now)
	}
	if all {
		v.From, v.Subject, v.Reply = m.Excerpt.From, m.Excerpt.Subject, m.Cause.Text
	}
	return v
}

// sentenceCase makes a sentence of a phrase.
func sentenceCase(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
