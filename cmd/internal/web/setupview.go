package web

import (
	"errors"
	"strings"

	"github.com/popferry/popferry/cmd/internal/talk"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// setupView is the form for a new mailbox.
type setupView struct {
	frame
	Offer
	Given  NewMailbox
	Busy   bool // something is being set up
	Closed bool // there is no form
}

// mailboxView is the page of one mailbox.
type mailboxView struct {
	frame
	Mailbox
	Closed bool // it cannot be changed here
}

// changeView is a button of that page.
type changeView struct{ Name, Revision, Change, Label string }

// With returns a button.
func (v *mailboxView) With(change, label string) changeView {
	return changeView{v.Name, v.Revision, change, label}
}

// Protocols are the ways into an inbox, the best one first.
func (v *setupView) Protocols() []word {
	return []word{{"", "The best way for its provider"}, {"imap", "IMAP"}, {"smtp", "SMTP"}, {"lmtp", "LMTP"}}
}

// talkView is a talk as the page shows it.
type talkView struct {
	frame
	Heading  string
	Lines    []talk.Line
	Question *questionView
	Ended    bool
	Done     string
}

// questionView is what is asked.
type questionView struct {
	talk.Question
	Words []word
}

// word is one of those to choose from.
type word struct{ Value, Label string }

func newTalkView(f frame, s talk.State, problem string) *talkView {
	v := &talkView{frame: f, Heading: s.Title, Lines: s.Lines, Ended: s.Ended, Done: s.Result.Done}
	v.Title, v.Problem = s.Title+" · popferry", problem
	switch {
	case s.Ended && errors.Is(s.Result.Err, terminal.ErrStopped):
		v.Problem = "Stopped. Nothing was changed."
	case s.Ended && s.Result.Err != nil:
		v.Problem = sentence(s.Result.Err)
	case s.Ended && f.SetUp:
		v.Refresh = refreshSoon // the status page begins
	case s.Ended:
	case s.Question == nil:
		v.Refresh, v.To = 1, "talk"
	default:
		v.Question = &questionView{Question: *s.Question}
		for _, w := range s.Question.Words {
			v.Question.Words = append(v.Question.Words, word{w, label(w)})
		}
	}
	return v
}

// label is a word as a button shows it.
func label(word string) string {
	switch word {
	case "imap", "smtp", "lmtp":
		return strings.ToUpper(word)
	}
	return sentenceCase(word)
}

// sentence is an error as the page shows it.
func sentence(err error) string {
	text := sentenceCase(terminal.Escape(err.Error()))
	if strings.HasSuffix(text, ".") || strings.Contains(text, "\n") {
		return text
	}
	return text + "."
}
