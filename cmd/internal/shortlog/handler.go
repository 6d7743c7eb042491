package shortlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Handler is a slog.Handler for a terminal.
type Handler struct {
	w     io.Writer
	level slog.Leveler
	attrs []slog.Attr
}

// New returns a Handler that writes whole lines to w.
func New(w io.Writer, level slog.Leveler) *Handler { return &Handler{w: w, level: level} }

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.w, h.level, slices.Concat(h.attrs, attrs)}
}

// WithGroup implements slog.Handler. The lines are too short for groups.
func (h *Handler) WithGroup(string) slog.Handler { return h }

// clock is the time of day in a line.
const clock = "15:04"

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	e := entry{Record: r}
	e.attrs = append(e.attrs, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		e.attrs = append(e.attrs, a)
		return true
	})
	text := e.text()
	if text == "" {
		return nil
	}
	if account := e.take("account"); account != "" {
		text = account + ": " + text
	}
	switch {
	case r.Level >= slog.LevelError:
		text = "ERROR " + text
	case r.Level >= slog.LevelWarn:
		text = "warning: " + text
	}
	before := r.Time.Local().Format(clock) + " "
	text = terminal.Wrap(terminal.Printable(text+e.rest(), 0), terminal.Width(h.w), len(before), len(before))
	_, err := fmt.Fprintf(h.w, "%s%s\n", before, text)
	return err
}

// entry is a record whose attributes are put into words one after the other.
type entry struct {
	slog.Record
	attrs []slog.Attr
}

// take returns the value of an attribute, and takes it out.
func (e *entry) take(key string) string {
	i := slices.IndexFunc(e.attrs, func(a slog.Attr) bool { return a.Key == key })
	if i < 0 {
		return ""
	}
	v := e.attrs[i].Value.Resolve()
	e.attrs = slices.Delete(slices.Clone(e.attrs), i, i+1)
	if v.Kind() == slog.KindTime {
		return terminal.Time(v.Time())
	}
	return v.String()
}

// drop takes attributes out that a line does not need.
func (e *entry) drop(keys ...string) {
	for _, key := range keys {
		e.take(key)
	}
}

// rest are the attributes that have no words of their own.
func (e *entry) rest() string {
	var parts []string
	for len(e.attrs) > 0 {
		key := e.attrs[0].Key
		if value := e.take(key); value != "" {
			parts = append(parts, strings.ReplaceAll(key, "_", " ")+" "+value)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// text is the message in words; "" if the line is of no use at a terminal.
func (e *entry) text() string {
	switch e.Message {
	case "polled":
		return e.polled()
	case "poll ended early":
		e.drop("outcome")
		return e.failed()
	case "message":
		return e.message()
	case "polling":
		return e.polling()
	case "started":
		n, _ := strconv.Atoi(e.take("accounts"))
		text := "popferry " + e.take("version") + " polls " + terminal.Count(n, "account") + "; Ctrl-C stops it"
		e.drop("config", "state")
		return text
	}
	if what := e.take("what"); what != "" {
		return e.Message + ": " + what
	}
	if err := e.take("error"); err != "" {
		return e.Message + ": " + err
	}
	return e.Message
}

// polled says what a poll did.
func (e *entry) polled() string {
	e.drop("outcome", "duration")
	var done []string
	for _, key := range []string{"forwarded", "held", "deferred", "skipped"} {
		if n := e.take(key); n != "" && n != "0" {
			done = append(done, n+" "+key)
		}
	}
	if len(done) == 0 {
		done = []string{"nothing new"}
	}
	return strings.Join(append(done, e.take("on_server")+" on server"), ", ")
}

// failed says why a poll ended early.
func (e *entry) failed() string {
	var done []string
	for _, key := range []string{"forwarded", "held", "deferred"} {
		if n := e.take(key); n != "" && n != "0" {
			done = append(done, n+" "+key)
		}
	}
	text, err := e.take("what"), e.take("error")
	if err != "" && !strings.HasPrefix(err, text) {
		text += ": " + err
	} else if err != "" {
		text = err
	}
	if remedy := e.take("remedy"); remedy != "" {
		text = strings.TrimSuffix(text, ".") + ". " + remedy
	}
	if len(done) > 0 {
		text += " Before that: " + strings.Join(done, ", ") + "."
	}
	return text
}

// message says what happened to a message that was not simply forwarded: the line
// about the poll counts those.
func (e *entry) message() string {
	outcome := e.take("outcome")
	if outcome == "forwarded" {
		return ""
	}
	text := "message " + e.take("uid") + ": " + outcome
	why := e.take("what")
	if reply := e.take("reply"); reply != "" {
		why = reply
	} else if err := e.take("error"); err != "" {
		why = err
	}
	e.attrs = e.only("account")
	if why != "" {
		text += ": " + why
	}
	return text
}

// polling says how far a long poll is.
func (e *entry) polling() string {
	text := e.take("done") + " of " + e.take("messages") + " messages"
	if left := e.take("left"); left != "" {
		text += ", " + left + " left"
	}
	e.attrs = e.only("account")
	return text
}

// only returns the attributes with these keys.
func (e *entry) only(keys ...string) (list []slog.Attr) {
	for _, a := range e.attrs {
		if slices.Contains(keys, a.Key) {
			list = append(list, a)
		}
	}
	return list
}
