package message

import (
	"net/mail"
	"strings"
	"time"
)

// Arrived is when the message came to its mailbox, as an inbox that is sorted by
// time is to show it: by the topmost Received line, which the last delivery wrote
// (RFC 5321 4.4), else by Date. That is the sender's, so it counts only if it lies
// between the time since when the message can have come, and now. Else it is now.
func (h Header) Arrived(since, now time.Time) time.Time {
	if received, ok := receivedDate(h.Received); ok && !received.After(now) {
		return received
	}
	if date, err := parseDate(h.Date); err == nil && !date.After(now) && !date.Before(since) && credible(date) {
		return date
	}
	return now
}

// OlderThan reports whether it is certain that the message came to its mailbox before
// that time: by the topmost Received line, or by Date where there is none.
func (h Header) OlderThan(t time.Time) bool {
	date, ok := receivedDate(h.Received)
	if h.Received == "" {
		var err error
		date, err = parseDate(h.Date)
		ok = err == nil && credible(date)
	}
	return ok && date.Before(t)
}

// receivedDate is the date of a Received line, which follows the last semicolon.
func receivedDate(line string) (time.Time, bool) {
	date, err := parseDate(line[strings.LastIndexByte(line, ';')+1:])
	return date, err == nil && credible(date)
}

// usualDate is the form in which nearly all dates of mail are written (RFC 5322 3.3).
const usualDate = "Mon, 2 Jan 2006 15:04:05 -0700"

// parseDate is mail.ParseDate, which tries 24 other forms before the usual one.
func parseDate(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	usual, comment, commented := strings.Cut(s, " (")
	date, err := time.Parse(usualDate, usual)
	simple := strings.HasSuffix(comment, ")") && strings.IndexAny(comment, `()\`) == len(comment)-1
	if err != nil || commented && !simple {
		return mail.ParseDate(s)
	}
	return date, nil
}

// credible reports whether there was mail at this time: a clock without a battery
// begins in 1970.
func credible(date time.Time) bool { return date.Year() > 1970 }
