package web

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/printable"
)

// accountView is an account as the page shows it.
type accountView struct {
	Name                        string
	Enabled                     bool
	Health                      health
	Word                        string
	LastPoll, LastSuccess, Next timeView
	Overdue                     bool
	Progress                    string // of its running poll
	CanChange                   bool   // on a page of its own
	Numbers                     []number
	Chart                       chart
	Problem                     *problem
	Way                         string // from where to where; "" before a login
}

// number is a count with what it counts.
type number struct {
	N     int
	Word  string
	Class string
}

// problem describes why an account fails.
type problem struct {
	What     string
	Evidence string // the error or the reply itself; "" before a login
	Remedy   string
	Times    int // in a row
}

func newAccountView(a Account, c chart, loggedIn bool, now time.Time) accountView {
	v := accountView{
		Name: a.Name, Enabled: a.Enabled, Chart: c, Progress: a.Progress,
		LastPoll: newTimeView(a.LastPoll, now), LastSuccess: newTimeView(a.LastSuccess, now), Next: newTimeView(a.NextPoll, now),
		Overdue: !a.NextPoll.IsZero() && now.After(a.NextPoll),
	}
	if loggedIn && a.Source != "" {
		v.Way = a.Source + " → " + a.Forward + " (" + a.Endpoint + ")"
	}
	v.Health, v.Word = healthOf(a)
	put := func(n int, word, class string) {
		if n > 0 || class == "always" {
			v.Numbers = append(v.Numbers, number{n, word, class})
		}
	}
	put(a.Counts[ledger.Forwarded], "forwarded", "always")
	put(a.Counts[ledger.Held], "held", "held")
	put(a.Counts[ledger.Deferred]+a.Counts[ledger.Unknown]+a.Counts[ledger.Sending], "to retry", "later")
	put(a.Counts[ledger.Skipped], "skipped", "plain")
	put(a.OnServer, "on server", "always")
	if a.Cause.Code != "" {
		k := cause.ByCode(a.Cause.Code)
		v.Problem = &problem{What: sentenceCase(k.What), Remedy: k.Remedy, Times: a.Failures}
		if loggedIn {
			v.Problem.Evidence = printable.Text(a.Cause.Text)
		}
	}
	return v
}

// downView is a destination that fails. Where and Evidence are empty before a login.
type downView struct {
	Name, Where, What, Remedy, Evidence string
	Accounts                            int // that wait for it

	cause ledger.Cause
}

type downViews []downView

// newDownViews returns the destinations for whose failures accounts wait.
func newDownViews(destinations []Destination, accounts []Account, loggedIn bool) (list downViews) {
	for _, d := range destinations {
		k := cause.ByCode(d.Cause.Code)
		v := downView{Name: d.Name, What: k.What, Remedy: k.Remedy, cause: d.Cause}
		for _, a := range accounts {
			if v.explains(a) {
				v.Accounts++
			}
		}
		if loggedIn {
			v.Where, v.Evidence = d.Endpoint, printable.Text(d.Cause.Text)
		}
		if v.Accounts > 0 {
			list = append(list, v)
		}
	}
	return list
}

// explains reports whether an account fails for this alone.
func (v downView) explains(a Account) bool {
	return a.Enabled && v.cause.Code != "" && a.Forward == v.Name && a.Cause == v.cause
}

// explains reports whether one of them does.
func (list downViews) explains(a Account) bool {
	return slices.ContainsFunc(list, func(v downView) bool { return v.explains(a) })
}

// signInView is a sign-in that the user has to do something about. User and Evidence
// are empty before a login.
type signInView struct {
	Name, User     string
	Word           string
	Health         health
	What, Evidence string
	Until          timeView
	Remedy         string
	Command        string
}

func newSignInView(s SignIn, loggedIn bool, now time.Time) signInView {
	v := signInView{Name: s.Name, Health: amber, Word: "ends soon", What: "The provider ends the sign-in", Until: newTimeView(s.Until, now),
		Remedy: "Sign in again before that, and popferry goes on without a break.", Command: "popferry login " + s.Name}
	if s.Cause.Code != "" {
		k := cause.ByCode(s.Cause.Code)
		v.Health, v.Word, v.What, v.Remedy, v.Until = red, "not signed in", sentenceCase(k.What), k.Remedy, timeView{}
	}
	if loggedIn {
		v.User, v.Evidence = s.User, printable.Text(s.Cause.Text)
	}
	return v
}

// messageView is a waiting message. From, Subject and Reply are empty before a
// login.
type messageView struct {
	Account  string
	UID      string // hexadecimal
	State    string
	Class    string
	Size     string
	Since    timeView
	Next     timeView // "never" if it is held
	Attempts int
	What     string
	Remedy   string

	From, Subject, Reply string
}

func newMessageView(m Message, loggedIn bool, now time.Time) messageView {
	size := m.MessageSize
	if size == 0 {
		size = max(0, m.Size)
	}
	k := cause.ByCode(m.Cause.Code)
	if m.Cause.Code == "" {
		k = cause.Cause{What: "waiting for the next poll"}
	}
	v := messageView{
		Account: m.Account, UID: hex.EncodeToString([]byte(m.UID)), State: m.State.String(), Class: "later",
		Size: terminal.Size(size), Since: newTimeView(m.FirstSeen, now), Attempts: m.Attempts,
		What: sentenceCase(k.What), Remedy: k.Remedy,
	}
	if m.State == ledger.Held {
		v.Class = "held"
	} else {
		v.Next = newTimeView(m.NextAttempt, now)
	}
	if loggedIn {
		v.From, v.Subject, v.Reply = printable.Text(m.Excerpt.From), printable.Text(m.Excerpt.Subject), printable.Text(m.Cause.Text)
	}
	return v
}

// sentenceCase capitalizes a phrase.
func sentenceCase(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
