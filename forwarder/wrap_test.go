package forwarder_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/popferry/popferry/forwarder"
)

const plainMessage = "Received: from a\r\n\tby b\r\nSubject: Hi\r\n\r\nHello\r\n"

func TestWrapRoundTrip(t *testing.T) {
	t.Parallel()
	const rfc822, file = "message/rfc822", "application/octet-stream"
	line := func(n int) string { return "Subject: long\r\n\r\n" + strings.Repeat("x", n) }
	tests := []struct{ name, body, kind string }{
		{"plain", plainMessage, rfc822},
		{"empty", "", rfc822},
		{"no header", "\r\nHello\r\n", rfc822},
		{"no body", "Subject: Hi\r\n", rfc822},
		{"no line end", "Subject: Hi\r\n\r\nHello", rfc822},
		{"empty lines at the end", plainMessage + "\r\n\r\n", rfc822},
		{"dots", "Subject: Hi\r\n\r\n.\r\n..\r\n.x\r\n", rfc822},
		{"boundaries of others", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHello\r\n--x--\r\n--\r\n", rfc822},
		{"our boundary within a line", "Subject: Hi\r\n\r\n> --=_popferry_0123abc\r\n", rfc822},
		{"our boundary", "Subject: Hi\r\n\r\n--=_popferry_0123abc\r\n\r\nHello\r\n", file},
		{"our boundary's end", "--=_popferry_0123abc--", file},
		{"8-bit", "Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nHello\r\n", file},
		{"all octets", string(allOctets()), file},
		{"NUL", "Subject: Hi\r\n\r\nHel\x00lo\r\n", file},
		{"bare CR", "Subject: Hi\r\n\r\nHel\rlo\r\n", file},
		{"bare CR before a line end", "Hello\r\r\n", file},
		{"CR at the end", "Hello\r", file},
		{"bare LF", "Subject: Hi\n\nHello\n", file},
		{"line of 998", line(998) + "\r\n", rfc822},
		{"line of 998 without end", line(998), rfc822},
		{"line of 999", line(999) + "\r\n", file},
		{"line of 4096 with its end", line(4094) + "\r\nx\r\n", file},
		{"line of 100 kB", line(100_000) + "\r\n\xff\r\n", file},
	}
	for n := range 120 { // around the ends of base64's lines
		body := strings.Repeat("\x80", n+1)
		tests = append(tests, struct{ name, body, kind string }{"short 8-bit", body, file})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := wrap(t, tt.body, explanation())
			kind, got := unwrap(t, w)
			if kind != tt.kind {
				t.Errorf("attached as %s, want %s", kind, tt.kind)
			}
			if got != tt.body {
				t.Errorf("attached %.200q, want %.200q", got, tt.body)
			}
		})
	}
}

func TestWrapHeader(t *testing.T) {
	t.Parallel()
	w := wrap(t, plainMessage, explanation())
	if w.Sender != "leo@example.org" || !slices.Equal(w.Recipients, []string{"leo@example.org"}) {
		t.Errorf("envelope from %q to %q", w.Sender, w.Recipients)
	}
	m := parse(t, w)
	for name, want := range map[string]string{
		"X-Trace":        "top",
		"From":           "popferry <leo@example.org>",
		"To":             "leo@example.org, lea@example.org",
		"Subject":        "Refused: Hi",
		"Date":           "Sun, 02 Aug 2026 10:00:00 +0000",
		"Message-Id":     "<popferry.0123abc@example.org>",
		"Auto-Submitted": "auto-generated",
		"Mime-Version":   "1.0",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if first := read(t, w)[:len("X-Trace")]; first != "X-Trace" {
		t.Errorf("begins with %q: trace lines belong on top", first)
	}
}

func TestWrapText(t *testing.T) {
	t.Parallel()
	e := explanation()
	e.Account, e.Reply, e.Subject = "büro", "550 5.7.26 a=b\x00\r\n.\r\n"+strings.Repeat("long ", 40)+"\xff", "Grüße"
	text := explained(t, wrap(t, plainMessage, e))
	for _, want := range []string{"account büro.", "550 5.7.26 a=b? . long long", "long \uFFFD\r\n", "Grüße", "0123abc"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the text:\n%s", want, text)
		}
	}
}

func TestWrapSubject(t *testing.T) {
	t.Parallel()
	words := strings.TrimSpace(strings.Repeat("word ", 50))
	tests := []struct{ name, subject, want string }{
		{"plain", "Hello", "Hello"},
		{"none", "", ""},
		{"folded", words, words},
		{"no spaces", strings.Repeat("x", 300), strings.Repeat("x", 300)},
		{"UTF-8", strings.Repeat("Grüße ", 30) + "€𝄞", strings.Repeat("Grüße ", 30) + "€𝄞"},
		{"looks encoded", "=?utf-8?q?x?=", "=?utf-8?q?x?="},
		{"another header", "a\r\nBcc: x@example.net\r\n\r\nb", "a Bcc: x@example.net b"},
		{"not UTF-8", "Gr\xfc\xdfe\x00\x1b[1m", "Gr\uFFFD\uFFFDe??[1m"},
		{"endless", strings.Repeat("é", 10_000), strings.Repeat("é", 500) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := explanation()
			e.Subject = tt.subject
			got, err := new(mime.WordDecoder).DecodeHeader(parse(t, wrap(t, plainMessage, e)).Header.Get("Subject"))
			if want := strings.TrimSpace("Refused: " + tt.want); got != want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestWrapAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, from, to string
		header         string
		utf8           bool
	}{
		{"no domain", "leo", "lea", "popferry <leo@localhost>, lea@localhost", false},
		{"UTF-8", "leo@bücher.example", "lea@example.org", "popferry <leo@bücher.example>, lea@example.org", true},
		{"UTF-8 recipient", "leo@example.org", "léa@example.org", "popferry <leo@example.org>, léa@example.org", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := explanation()
			e.From, e.To = tt.from, []string{tt.to}
			w, err := forwarder.Wrap(message(plainMessage), e)
			if err != nil {
				t.Fatal(err)
			}
			h := parse(t, w).Header
			if got := h.Get("From") + ", " + h.Get("To"); got != tt.header {
				t.Errorf("%s, want %s", got, tt.header)
			}
			if w.Sender != tt.from {
				t.Errorf("sender %q, want %q", w.Sender, tt.from)
			}
			if w.EightBit != tt.utf8 {
				t.Errorf("EightBit %t, want %t", w.EightBit, tt.utf8)
			}
		})
	}
}

func TestWrapErrors(t *testing.T) {
	t.Parallel()
	cut := errors.New("the disk is gone")
	tests := []struct {
		name   string
		change func(*forwarder.Message, *forwarder.Explanation)
		want   string
	}{
		{"no sender", func(_ *forwarder.Message, e *forwarder.Explanation) { e.From = "" }, `"" is not a mail address`},
		{"sender", func(_ *forwarder.Message, e *forwarder.Explanation) { e.From = "a@b\r\nBcc: c@d" }, "is not a mail address"},
		{"recipient", func(_ *forwarder.Message, e *forwarder.Explanation) { e.To = []string{"Leo <leo@example.org>"} }, "is not a mail address"},
		{"no trace", func(_ *forwarder.Message, e *forwarder.Explanation) { e.Trace = "" }, `"" is not a trace id`},
		{"trace", func(_ *forwarder.Message, e *forwarder.Explanation) { e.Trace = `a"b` }, "is not a trace id"},
		{"long trace", func(_ *forwarder.Message, e *forwarder.Explanation) { e.Trace = strings.Repeat("a", 41) }, "is not a trace id"},
		{"size", func(m *forwarder.Message, _ *forwarder.Explanation) { m.Size++ }, "octets where there should be"},
		{"body", func(m *forwarder.Message, _ *forwarder.Explanation) {
			m.Body = func() io.Reader { return iotest.ErrReader(cut) }
		}, cut.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, e := message(plainMessage), explanation()
			tt.change(m, &e)
			if w, err := forwarder.Wrap(m, e); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v, want %q", w, err, tt.want)
			}
		})
	}
}

// TestWrapFailingBody: a body that fails later on is not taken for a short one.
func TestWrapFailingBody(t *testing.T) {
	t.Parallel()
	cut := io.ErrUnexpectedEOF
	for _, body := range []string{plainMessage, "\x80" + plainMessage} {
		m, tries := message(body), 0
		m.Body = func() io.Reader {
			if tries++; tries == 1 {
				return strings.NewReader(body)
			}
			return io.MultiReader(strings.NewReader(body[:9]), iotest.ErrReader(cut))
		}
		w, err := forwarder.Wrap(m, explanation())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(w.Body()); !errors.Is(err, cut) {
			t.Errorf("%v, want %v", err, cut)
		}
	}
}

func FuzzWrap(f *testing.F) {
	f.Add([]byte(plainMessage), "Hi", "550 no", "isp")
	f.Add(allOctets(), "Gr\xc3\xbc\xc3\x9fe", "550 5.7.1 =?x", "a\r\nb")
	f.Add([]byte("\r\n--=_popferry_0123abc"), strings.Repeat("x", 80), "\xff", "")
	f.Fuzz(func(t *testing.T, body []byte, subject, reply, account string) {
		e := explanation()
		e.Subject, e.Reply, e.Account = subject, reply, account
		if _, got := unwrap(t, wrap(t, string(body), e)); got != string(body) {
			t.Errorf("attached %q, want %q", got, body)
		}
	})
}

func explanation() forwarder.Explanation {
	return forwarder.Explanation{
		From: "leo@example.org", To: []string{"leo@example.org", "lea@example.org"},
		Subject: "Hi", Reply: "550 5.7.26 not authenticated", Account: "isp", Trace: "0123abc",
		Date: time.Date(2026, 8, 2, 12, 0, 0, 0, time.FixedZone("", 2*60*60)),
		Top:  []byte("X-Trace: top\r\n"),
	}
}

func message(body string) *forwarder.Message {
	return &forwarder.Message{
		Sender: "someone@example.net", Recipients: []string{"leo@example.org"}, Size: int64(len(body)), EightBit: true,
		Body: func() io.Reader { return iotest.HalfReader(strings.NewReader(body)) },
	}
}

func allOctets() []byte {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// wrap wraps a message and checks what holds for each result.
func wrap(t *testing.T, body string, e forwarder.Explanation) *forwarder.Message {
	t.Helper()
	w, err := forwarder.Wrap(message(body), e)
	if err != nil {
		t.Fatal(err)
	}
	octets := read(t, w)
	if w.Size != int64(len(octets)) {
		t.Errorf("size %d, has %d octets", w.Size, len(octets))
	}
	if w.EightBit {
		t.Error("EightBit is true, want false")
	}
	if read(t, w) != octets {
		t.Error("the second reading differs")
	}
	header, _, _ := strings.Cut(octets, "\r\n\r\n")
	for line := range strings.SplitSeq(header, "\r\n") {
		if len(line) > 78 {
			t.Errorf("line of %d octets in the header: %q", len(line), line)
		}
	}
	for line := range strings.SplitSeq(octets, "\r\n") {
		if len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r == 0 || r == '\r' || r == '\n' || r > 127 }) {
			t.Errorf("not 7bit: %.200q", line)
		}
	}
	return w
}

func read(t *testing.T, m *forwarder.Message) string {
	t.Helper()
	b, err := io.ReadAll(m.Body())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parse(t *testing.T, m *forwarder.Message) *mail.Message {
	t.Helper()
	p, err := mail.ReadMessage(m.Body())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// parts returns the two parts of a wrapped message, decoded.
func parts(t *testing.T, m *forwarder.Message) (kinds, bodies []string) {
	t.Helper()
	p := parse(t, m)
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(p.Body, params["boundary"])
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = part
		switch part.Header.Get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, part)
		case "quoted-printable":
			body = quotedprintable.NewReader(part)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		kinds, bodies = append(kinds, kind), append(bodies, b.String())
	}
	if len(kinds) != 2 || kinds[0] != "text/plain" {
		t.Fatalf("parts %v", kinds)
	}
	return kinds, bodies
}

// explained returns what a person reads.
func explained(t *testing.T, m *forwarder.Message) string {
	t.Helper()
	_, bodies := parts(t, m)
	return bodies[0]
}

// unwrap returns the attached message.
func unwrap(t *testing.T, m *forwarder.Message) (kind, body string) {
	t.Helper()
	kinds, bodies := parts(t, m)
	return kinds[1], bodies[1]
}
