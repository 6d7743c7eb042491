package smtp

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

// laxReader is a server's way to find the end of a message behind DATA.
type laxReader struct {
	name string
	// drop is what it does with the octets before it looks; nil: nothing.
	drop func([]byte) []byte
	// cr and lf: a line ends at a bare CR, at a bare LF.
	cr, lf bool
	// halves: CR and LF end a line each, also next to each other.
	halves bool
	// cString: a line is looked at up to its first NUL.
	cString bool
	// trim: NULs and CRs at both ends of a line are not looked at.
	trim bool
}

func dropNUL(b []byte) []byte { return bytes.ReplaceAll(b, []byte{0}, nil) }

func dropAllCR(b []byte) []byte { return bytes.ReplaceAll(b, []byte{'\r'}, nil) }

// dropStrayCR leaves CRLF.
func dropStrayCR(b []byte) []byte {
	var out []byte
	for i, c := range b {
		if c != '\r' || i+1 < len(b) && b[i+1] == '\n' {
			out = append(out, c)
		}
	}
	return out
}

// afterNUL and beforeNUL also drop NULs, in one order or the other.
func afterNUL(drop func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte { return drop(dropNUL(b)) }
}

func beforeNUL(drop func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte { return dropNUL(drop(b)) }
}

// spaceForCR has a space for each stray CR, as Postfix can have it.
func spaceForCR(b []byte) []byte {
	out := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	out = bytes.ReplaceAll(out, []byte("\r"), []byte(" "))
	return bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
}

// laxReaders are the ways that are known of servers, each alone and with those that
// can go with it.
func laxReaders() []laxReader {
	drops := []struct {
		name string
		drop func([]byte) []byte
	}{
		{"nothing dropped", nil},
		{"NUL dropped", dropNUL},
		{"stray CR dropped", dropStrayCR},
		{"all CR dropped", dropAllCR},
		{"NUL, then stray CR dropped", afterNUL(dropStrayCR)},
		{"stray CR, then NUL dropped", beforeNUL(dropStrayCR)},
		{"NUL and all CR dropped", afterNUL(dropAllCR)},
		{"space for stray CR", spaceForCR},
		{"NUL dropped, space for stray CR", afterNUL(spaceForCR)},
	}
	var readers []laxReader
	for _, d := range drops {
		for _, r := range []laxReader{
			{name: "CRLF"},
			{name: "LF", lf: true},
			{name: "CR", cr: true},
			{name: "CR or LF", cr: true, lf: true},
			{name: "CR and LF", halves: true},
		} {
			if r.name != "LF" && r.name != "CR or LF" && r.name != "CR and LF" && strings.Contains(d.name, "all CR") {
				continue // no line would ever end
			}
			r.name, r.drop = r.name+" ends a line, "+d.name, d.drop
			c, t := r, r
			c.name, c.cString = c.name+", lines as C strings", true
			t.name, t.trim = t.name+", lines trimmed", true
			readers = append(readers, r, c, t)
		}
	}
	return readers
}

// lineEnd is the length of the line end that b begins with; 0: none.
func (r laxReader) lineEnd(b []byte) int {
	switch {
	case r.halves && (b[0] == '\r' || b[0] == '\n'):
		return 1
	case bytes.HasPrefix(b, []byte("\r\n")):
		return 2
	case r.lf && b[0] == '\n', r.cr && b[0] == '\r':
		return 1
	}
	return 0
}

// isDot reports whether the reader takes a line for the final dot.
func (r laxReader) isDot(line []byte) bool {
	if r.cString {
		line, _, _ = bytes.Cut(line, []byte{0})
	}
	if r.trim {
		line = bytes.Trim(line, "\r\x00")
	}
	return len(line) == 1 && line[0] == '.'
}

// rest is what the reader takes for commands behind the first message of wire.
// ended reports whether it saw its end at all.
func (r laxReader) rest(wire []byte) (rest []byte, ended bool) {
	if r.drop != nil {
		wire = r.drop(wire)
	}
	for start, i := 0, 0; i < len(wire); {
		n := r.lineEnd(wire[i:])
		if n == 0 {
			i++
			continue
		}
		dot := r.isDot(wire[start:i])
		i += n
		start = i
		if dot {
			return wire[i:], true
		}
	}
	return nil, false
}

func straysOf(octets string) forwarder.Strays {
	var f forwarder.StrayFinder
	_, _ = io.WriteString(&f, octets)
	return f.End()
}

// byData is the message as it goes by DATA; nil: not at all.
func byData(t testing.TB, octets string) []byte {
	t.Helper()
	m := &forwarder.Message{Size: int64(len(octets)), Strays: straysOf(octets), Body: func() io.Reader { return strings.NewReader(octets) }}
	if out := (extensions{}).checkMessage(m); out.Kind == forwarder.Impossible {
		return nil
	}
	var wire bytes.Buffer
	d := newDotWriter(bufio.NewWriterSize(&wire, 16))
	if _, err := io.WriteString(d, octets); err != nil {
		t.Fatalf("%q: %v", octets, err)
	}
	if sent, err := d.end(); !sent || err != nil {
		t.Fatalf("%q: the end was sent: %v, %v", octets, sent, err)
	}
	return wire.Bytes()
}

// endings calls each with all strings of up to so many octets of this alphabet.
func endings(length int, each func(string)) {
	const alphabet = "\r\n\x00.x"
	var grow func(string)
	grow = func(s string) {
		each(s)
		if len(s) < length {
			for _, c := range alphabet {
				grow(s + string(c))
			}
		}
	}
	grow("")
}

// normal is what a message becomes before it is sent.
func normal(octets string) string {
	return strings.ReplaceAll(strings.ReplaceAll(octets, "\r\n", "\n"), "\n", "\r\n")
}

const planted = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\npay\r\n.\r\n"

// TestNoEndingSmuggles tries every ending against every reader: it sees one message
// and nothing behind it, or popferry does not send it by DATA.
func TestNoEndingSmuggles(t *testing.T) {
	t.Parallel()
	readers := laxReaders()
	length := 6
	if testing.Short() {
		length = 4
	}
	refused, sent := 0, 0
	endings(length, func(s string) {
		for _, octets := range []string{s, s + planted, "text" + s + planted, "text\r\n" + s + planted, "text" + s} {
			octets = normal(octets)
			wire := byData(t, octets)
			if wire == nil {
				refused++
				continue
			}
			sent++
			for _, r := range readers {
				if rest, ended := r.rest(wire); !ended || len(bytes.Trim(rest, "\r\n")) > 0 {
					t.Fatalf("%s: %q goes as %q, ended %v, and %q stays behind", r.name, octets, wire, ended, rest)
				}
			}
		}
	})
	if sent == 0 || refused == 0 {
		t.Errorf("%d went by DATA and %d did not, want some of both", sent, refused)
	}
}

// TestSomethingSmuggles: with dot-stuffing alone, each reader falls for something
// that TestNoEndingSmuggles tries, but for those whom it is enough for.
func TestSomethingSmuggles(t *testing.T) {
	t.Parallel()
	readers := laxReaders()
	enough := slices.DeleteFunc(laxReaders(), func(r laxReader) bool {
		return r.cr && !strings.Contains(r.name, "space") || r.halves && !strings.Contains(r.name, "space") || r.trim ||
			strings.Contains(r.name, "NUL dropped") || strings.Contains(r.name, "CR dropped")
	})
	endings(6, func(s string) {
		wire := []byte(strings.ReplaceAll(normal("text"+s+planted), "\n.", "\n..") + ".\r\n")
		readers = slices.DeleteFunc(readers, func(r laxReader) bool {
			rest, _ := r.rest(wire)
			return bytes.HasPrefix(bytes.TrimLeft(rest, "\r\n"), []byte("MAIL"))
		})
	})
	names := func(readers []laxReader) (names []string) {
		for _, r := range readers {
			names = append(names, r.name)
		}
		return names
	}
	if got, want := names(readers), names(enough); !slices.Equal(got, want) {
		t.Errorf("not fooled are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzSmuggle: as TestNoEndingSmuggles, with any octets.
func FuzzSmuggle(f *testing.F) {
	f.Add("a\r.\r" + planted)
	f.Add("a\r\n\x00.\r\n" + planted)
	f.Add("\x00\r.\x00x\r\n..\r\r\n.")
	readers := laxReaders()
	f.Fuzz(func(t *testing.T, octets string) {
		octets = normal(octets)
		wire := byData(t, octets)
		for _, r := range readers {
			if wire == nil {
				return
			}
			if rest, ended := r.rest(wire); !ended || len(bytes.Trim(rest, "\r\n")) > 0 {
				t.Fatalf("%s: %q goes as %q, ended %v, and %q stays behind", r.name, octets, wire, ended, rest)
			}
		}
	})
}
