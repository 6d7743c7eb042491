package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/printable"
)

// MessageStatus is one message in messages --json: part of the contract.
type MessageStatus struct {
	Account     string     `json:"account"`
	UID         string     `json:"uid"` // as UID returns it
	State       string     `json:"state"`
	Size        int64      `json:"size"`
	MessageID   string     `json:"message_id"`
	From        string     `json:"from"`
	Subject     string     `json:"subject"`
	FirstSeen   *time.Time `json:"first_seen"`
	Attempts    int        `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt"`
	LastError   string     `json:"last_error"`
	ForwardedAt *time.Time `json:"forwarded_at"`
	DeletedAt   *time.Time `json:"deleted_at"`
}

func newMessageStatus(account string, r *ledger.Record) MessageStatus {
	size := r.MessageSize
	if size == 0 {
		size = max(r.Size, 0)
	}
	return MessageStatus{
		Account:     account,
		UID:         UID(r.UID),
		State:       r.State.String(),
		Size:        size,
		MessageID:   r.Excerpt.MessageID,
		From:        r.Excerpt.From,
		Subject:     r.Excerpt.Subject,
		FirstSeen:   jsonTime(r.FirstSeen),
		Attempts:    r.Attempts,
		NextAttempt: jsonTime(r.NextAttempt),
		LastError:   r.Cause.Text,
		ForwardedAt: jsonTime(r.ForwardedAt),
		DeletedAt:   jsonTime(r.DeletedAt),
	}
}

// MessagePrinter prints messages one at a time: a ledger can have a million.
type MessagePrinter interface {
	Print(account string, r *ledger.Record) error
	Close() error
}

// NewMessagePrinter returns a printer of a table, or of a JSON array.
func NewMessagePrinter(w io.Writer, asJSON bool) MessagePrinter {
	if asJSON {
		return &jsonMessages{w: w}
	}
	return &messageTable{w: w, width: terminal.Width(w)}
}

// LastMessages hands on only the newest messages, once they are all known.
type LastMessages struct {
	MessagePrinter
	Most int

	list []lastMessage
}

type lastMessage struct {
	account string
	record  *ledger.Record
}

// Print implements MessagePrinter.
func (l *LastMessages) Print(account string, r *ledger.Record) error {
	kept := *r
	l.list = append(l.list, lastMessage{account, &kept})
	if len(l.list) > 2*l.Most+100 {
		l.cut()
	}
	return nil
}

// cut keeps the newest ones.
func (l *LastMessages) cut() {
	slices.SortStableFunc(l.list, func(a, b lastMessage) int { return a.record.FirstSeen.Compare(b.record.FirstSeen) })
	l.list = slices.Clone(l.list[max(0, len(l.list)-l.Most):])
}

// Close implements MessagePrinter.
func (l *LastMessages) Close() error {
	l.cut()
	for _, m := range l.list {
		if err := l.MessagePrinter.Print(m.account, m.record); err != nil {
			return err
		}
	}
	return l.MessagePrinter.Close()
}

// jsonMessages prints an array, one message a line.
type jsonMessages struct {
	w     io.Writer
	begun bool
}

func (j *jsonMessages) Print(account string, r *ledger.Record) error {
	b, err := json.Marshal(newMessageStatus(account, r))
	if err != nil {
		return err
	}
	before := "["
	if j.begun {
		before = ","
	}
	j.begun = true
	_, err = fmt.Fprintf(j.w, "%s\n%s", before, printable.JSON(nil, b))
	return err
}

func (j *jsonMessages) Close() error {
	end := "[]"
	if j.begun {
		end = "\n]"
	}
	_, err := fmt.Fprintln(j.w, end)
	return err
}

// messageTable prints a table for people, some rows at a time.
type messageTable struct {
	w     io.Writer
	width int
	rows  terminal.Table
	n     int // rows that wait
	begun bool
}

const (
	// cellWidth is the longest text of a cell, in characters.
	cellWidth = 60
	// rowsAtOnce are those that have common widths of columns.
	rowsAtOnce = 500
)

func (t *messageTable) Print(account string, r *ledger.Record) error {
	t.head()
	m := newMessageStatus(account, r)
	var about []string
	if r.State == ledger.Forwarded && !r.ForwardedAt.IsZero() { // sender and subject are not kept
		about = append(about, terminal.Time(r.ForwardedAt))
		m.From, m.Subject = "", m.MessageID
	}
	for _, part := range []struct{ label, text string }{{"from ", m.From}, {"", m.Subject}, {"", m.LastError}} {
		if part.text != "" {
			about = append(about, part.label+terminal.Printable(part.text, cellWidth))
		}
	}
	t.rows.Row(m.Account, terminal.Printable(m.UID, cellWidth), m.State, terminal.Size(m.Size), strings.Join(about, "; "))
	if t.n++; t.n < rowsAtOnce {
		return nil
	}
	return t.flush()
}

// head begins the table.
func (t *messageTable) head() {
	if !t.begun {
		t.rows.Row("ACCOUNT", "UID", "STATE", "SIZE", "ABOUT IT")
	}
	t.begun = true
}

func (t *messageTable) flush() error {
	rows := t.rows
	t.rows, t.n = terminal.Table{}, 0
	return rows.Print(t.w, t.width)
}

func (t *messageTable) Close() error {
	t.head()
	return t.flush()
}
