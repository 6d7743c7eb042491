package report

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "ACCOUNT\tUID\tSTATE\tSIZE\tFROM\tSUBJECT\tERROR")
	return messageTable{t}
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

// messageTable prints a table for people.
type messageTable struct{ w *tabwriter.Writer }

// cellWidth is the longest text of a cell, in characters.
const cellWidth = 60

func (t messageTable) Print(account string, r *ledger.Record) error {
	m := newMessageStatus(account, r)
	cell := func(s string) string { return terminal.Printable(s, cellWidth) }
	_, err := fmt.Fprintf(t.w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", m.Account, cell(m.UID), m.State, m.Size, cell(m.From), cell(m.Subject), cell(m.LastError))
	return err
}

func (t messageTable) Close() error { return t.w.Flush() }
