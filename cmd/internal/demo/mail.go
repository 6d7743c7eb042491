package demo

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// message is a message of the demo.
type message struct {
	mailbox, from, subject, body string
}

// messages returns the initial content of the mailboxes.
func messages() []message {
	dots := "A line with one dot follows.\r\n.\r\nAnd one that begins with two:\r\n..like this\r\n"
	return []message{
		{"isp", "anna@example.org", "Dinner on Friday?", "Eight o'clock?\r\n"},
		{"isp", "billing@isp.example", "Your invoice", strings.Repeat("0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF\r\n", 40_000)},
		{"isp", refusedSender, "You have won", "Send us your password.\r\n"},
		{"work", "carla@work.example", "Dots at the beginning of lines", dots},
		{"work", "dev@work.example", "8-bit: Grüße, 日本語, €", "Grüße aus Köln. 日本語です。\r\n"},
		{"work", "", "Undelivered mail", "A bounce has the null reverse-path, and keeps it.\r\n"},
		{"club", busySender, "Minutes of the last meeting", "All agreed.\r\n"},
		{"club", "chess@club.example", "A very long line", strings.Repeat("no line break ", 5_000) + "\r\n"},
	}
}

// octets returns the message as it is in its mailbox.
func (m message) octets(n int) []byte {
	from := m.from
	if from == "" {
		from = "MAILER-DAEMON@work.example"
	}
	return fmt.Appendf(nil, "Return-Path: <%s>\r\nReceived: from mx.example by %s.example; Sun, 22 Nov 2026 08:00:%02d +0000\r\n"+
		"From: %s\r\nTo: %s@example.net\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 08:00:%02d +0000\r\nMessage-ID: <demo.%d@%s.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", m.from, m.mailbox, n%60, from, m.mailbox, m.subject, n%60, n, m.mailbox, m.body)
}

func (w *World) put(m message, n int) {
	o := m.octets(n)
	w.mu.Lock()
	w.sent[messageID(o)] = o
	w.mu.Unlock()
	w.pop.Add(m.mailbox, pop3test.Message{UID: fmt.Sprintf("demo-%d", n), Octets: o})
}

// More adds a message to one of the mailboxes and returns its subject.
func (w *World) More() string {
	w.extra++
	box := []string{"isp", "work", "club"}[w.extra%3]
	m := message{box, "anna@example.org", fmt.Sprintf("One more, number %d", w.extra), "Just arrived.\r\n"}
	w.put(m, 1000+w.extra)
	return m.subject
}

// Arrived is a message in the inbox.
type Arrived struct {
	From, Subject string
	Size          int64
	// Intact: below popferry's trace lines, the octets are the same as in the
	// mailbox, except the Return-Path line, which became the envelope sender.
	Intact bool
}

// Inbox lists the messages in the order of their arrival.
func (w *World) Inbox() []Arrived {
	var out []Arrived
	for _, m := range w.smtp.Messages() {
		a := Arrived{From: "<" + m.Sender + ">", Size: m.Size}
		if parsed, err := mail.ReadMessage(bytes.NewReader(m.Data)); err == nil {
			a.Subject = parsed.Header.Get("Subject")
		}
		w.mu.Lock()
		original := w.sent[messageID(m.Data)]
		w.mu.Unlock()
		_, want, _ := bytes.Cut(original, []byte("\r\n")) // without the Return-Path line
		a.Intact = len(want) > 0 && bytes.HasSuffix(m.Data, want) && isTrace(m.Data[:len(m.Data)-len(want)])
		out = append(out, a)
	}
	return out
}

// isTrace reports whether these lines are exactly popferry's trace lines.
func isTrace(head []byte) bool {
	return bytes.HasPrefix(head, []byte("Received: from ")) && bytes.Count(head, []byte("\r\nX-Popferry-Trace: ")) == 1 &&
		bytes.Count(head, []byte("\r\n")) == 4
}

func messageID(o []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(o))
	if err != nil {
		return ""
	}
	return m.Header.Get("Message-ID")
}

// Left returns how many messages a mailbox has.
func (w *World) Left(mailbox string) int { return len(w.pop.Messages(mailbox)) }
