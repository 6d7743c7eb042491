package smtp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// laxReader is a server's way to find the end of a message behind DATA.
type laxReader struct {
	name string
	drop drops // what it does with the octets before it looks
	// cr and lf: a line ends at a bare CR, at a bare LF.
	cr, lf bool
	// halves: CR and LF end a line each, also next to each other.
	halves bool
	// cString: a line is looked at up to its first NUL.
	cString bool
	// trim: NULs and CRs at both ends of a line are not looked at.
	trim bool
}

// drops is what a reader does with octets before it looks for the end.
type drops struct {
	name string
	of   func([]byte) []byte
}

func dropNothing(b []byte) []byte { return b }

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
	drops := []drops{
		{"nothing dropped", dropNothing},
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
			r.name, r.drop = r.name+" ends a line, "+d.name, d
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
	case b[0] != '\r' && b[0] != '\n':
		return 0
	case r.halves:
		return 1
	case b[0] == '\r' && len(b) > 1 && b[1] == '\n':
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

// rest is what the reader takes for commands behind the first message of wire, of
// which it has dropped what it drops. ended reports whether it saw its end at all.
func (r laxReader) rest(wire []byte) (rest []byte, ended bool) {
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

// eachRest calls each with what each reader takes for commands behind the message,
// line ends aside.
func eachRest(readers []laxReader, wire []byte, each func(r laxReader, rest []byte, ended bool)) {
	dropped, by := wire, ""
	for _, r := range readers {
		if r.drop.name != by { // those with the same stand together
			dropped, by = r.drop.of(wire), r.drop.name
		}
		rest, ended := r.rest(dropped)
		each(r, bytes.Trim(rest, "\r\n"), ended)
	}
}

func straysOf(octets string) forwarder.Strays {
	var f forwarder.StrayFinder
	_, _ = io.WriteString(&f, octets)
	return f.End()
}

// inPieces writes octets in pieces of a size.
func inPieces(w io.Writer, octets string, size int) error {
	for piece := range slices.Chunk([]byte(octets), size) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// byData is the message as it goes by DATA, read in pieces of a size; nil: not at all.
func byData(t testing.TB, octets string, size int) []byte {
	t.Helper()
	m := &forwarder.Message{Size: int64(len(octets)), Strays: straysOf(octets), Body: func() io.Reader { return strings.NewReader(octets) }}
	if out := (extensions{}).checkMessage(m); out.Kind == forwarder.Impossible {
		return nil
	}
	var wire bytes.Buffer
	d := newDotWriter(bufio.NewWriterSize(&wire, 16))
	if err := inPieces(d, octets, size); err != nil {
		t.Fatalf("%q: %v", octets, err)
	}
	if sent, err := d.end(); !sent || err != nil {
		t.Fatalf("%q: the end was sent: %v, %v", octets, sent, err)
	}
	return wire.Bytes()
}

// recorder is a connection that keeps what is written to it.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error)      { return r.Buffer.Write(p) }
func (r *recorder) Read([]byte) (int, error)         { return 0, io.EOF }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

// byBDAT is the message as it goes by BDAT: the command, and what comes behind it
// before there is a reply.
func byBDAT(t testing.TB, octets string) (command string, behind []byte) {
	t.Helper()
	m := &forwarder.Message{Size: int64(len(octets)), Strays: straysOf(octets), Body: func() io.Reader { return strings.NewReader(octets) }}
	if out := (extensions{chunking: true}).checkMessage(m); out.Kind != 0 {
		t.Fatalf("%q: %v", octets, out)
	}
	var c recorder
	tr := transaction{s: &session{wire: newWire(&c, time.Minute)}, slot: &slot{}, m: m}
	if err := tr.writeChunk(); err != nil || tr.cut != nil || !tr.sent {
		t.Fatalf("%q: %v, %v, sent %v", octets, err, tr.cut, tr.sent)
	}
	command, rest, _ := strings.Cut(c.String(), "\r\n")
	return command, []byte(rest)
}

// TestNoEndingSmugglesByBDAT: behind BDAT comes what was counted and nothing else. A
// server that counts what comes reads the message, and one that counts what is left
// after it has dropped some waits for more, in vain (TestStrays).
func TestNoEndingSmugglesByBDAT(t *testing.T) {
	t.Parallel()
	endings(4, func(s string) {
		octets := normal("text" + s + planted)
		command, behind := byBDAT(t, octets)
		if want := fmt.Sprintf("BDAT %d LAST", len(octets)); command != want || string(behind) != octets {
			t.Fatalf("%q goes by %q as %q, want %q and the message as it is", octets, command, behind, want)
		}
	})
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
			wire := byData(t, octets, 1+len(s))
			if wire == nil {
				refused++
				continue
			}
			sent++
			eachRest(readers, wire, func(r laxReader, rest []byte, ended bool) {
				if !ended || len(rest) > 0 {
					t.Fatalf("%s: %q goes as %q, ended %v, and %q stays behind", r.name, octets, wire, ended, rest)
				}
			})
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
		var left []laxReader
		eachRest(readers, wire, func(r laxReader, rest []byte, _ bool) {
			if !bytes.HasPrefix(rest, []byte("MAIL")) {
				left = append(left, r)
			}
		})
		readers = left
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

// FuzzSmuggle: as TestNoEndingSmuggles, with any octets in any pieces.
func FuzzSmuggle(f *testing.F) {
	f.Add("a\r.\r"+planted, 1)
	f.Add("a\r\n\x00.\r\n"+planted, 3)
	f.Add("\x00\r.\x00x\r\n..\r\r\n.", 1000)
	readers := laxReaders()
	f.Fuzz(func(t *testing.T, octets string, size int) {
		octets, size = normal(octets), 1+int(uint(size)%64)
		var finder forwarder.StrayFinder
		if _ = inPieces(&finder, octets, size); finder.End() != straysOf(octets) {
			t.Errorf("%q in pieces of %d: %d, want %d", octets, size, finder.End(), straysOf(octets))
		}
		wire := byData(t, octets, size)
		if wire == nil {
			return
		}
		eachRest(readers, wire, func(r laxReader, rest []byte, ended bool) {
			if !ended || len(rest) > 0 {
				t.Fatalf("%s: %q goes as %q, ended %v, and %q stays behind", r.name, octets, wire, ended, rest)
			}
		})
	})
}
