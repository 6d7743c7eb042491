package demo

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// letter is a message of the demo.
type letter struct {
	mailbox, from, subject, body string
}

// letters are what is in the mailboxes at the start.
func letters() []letter {
	dots := "A line with one dot follows.\r\n.\r\nAnd one that begins with two:\r\n..like this\r\n"
	return []letter{
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

// octets are the message as its mailbox has it.
func (l letter) octets(n int) []byte {
	from := l.from
	if from == "" {
		from = "MAILER-DAEMON@work.example"
	}
	return fmt.Appendf(nil, "Return-Path: <%s>\r\nReceived: from mx.example by %s.example; Sun, 22 Nov 2026 08:00:%02d +0000\r\n"+
		"From: %s\r\nTo: %s@example.net\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 08:00:%02d +0000\r\nMessage-ID: <demo.%d@%s.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", l.from, l.mailbox, n%60, from, l.mailbox, l.subject, n%60, n, l.mailbox, l.body)
}

// fill puts the letters into their mailboxes.
func (w *World) fill() {
	for i, l := range letters() {
		w.put(l, i)
	}
}

func (w *World) put(l letter, n int) {
	o := l.octets(n)
	w.mu.Lock()
	w.sent[messageID(o)] = o
	w.mu.Unlock()
	w.pop.Add(l.mailbox, pop3test.Message{UID: fmt.Sprintf("demo-%d", n), Octets: o})
}

// More puts one more message into a mailbox and returns its subject.
func (w *World) More() string {
	w.extra++
	box := []string{"isp", "work", "club"}[w.extra%3]
	l := letter{box, "anna@example.org", fmt.Sprintf("One more, number %d", w.extra), "Just arrived.\r\n"}
	w.put(l, 1000+w.extra)
	return l.subject
}

// Arrived is a message in the inbox.
type Arrived struct {
	From, Subject string
	Size          int64
	// Intact: below popferry's own lines stand the very octets that the
	// mailbox has, but for the Return-Path line, which became the envelope.
	Intact bool
}

// Inbox lists what arrived, in its order.
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
		a.Intact = len(want) > 0 && bytes.HasSuffix(m.Data, want) && ours(m.Data[:len(m.Data)-len(want)])
		out = append(out, a)
	}
	return out
}

// ours tells whether these lines are popferry's trace lines and nothing else.
func ours(head []byte) bool {
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

// Left is how many messages a mailbox has.
func (w *World) Left(mailbox string) int { return len(w.pop.Messages(mailbox)) }
