package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

func TestDotWriter(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty", "", ".\r\n"},
		{"one line", "a\r\n", "a\r\n.\r\n"},
		{"no line end", "a", "a\r\n.\r\n"},
		{"half a line end", "a\r", "a\r\r\n.\r\n"},
		{"bare LF at the end", "a\n", "a\n\r\n.\r\n"},
		{"one octet LF", "\n", "\n\r\n.\r\n"},
		{"dot", ".", "..\r\n.\r\n"},
		{"dot line", ".\r\n", "..\r\n.\r\n"},
		{"final dot within", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
		{"dots", "..\r\n...\r\n", "...\r\n....\r\n.\r\n"},
		{"dot in a line", "a.\r\n", "a.\r\n.\r\n"},
		{"bare CR", "a\rb\r.c\r\n", "a\rb\r.c\r\n.\r\n"},
		{"bare CR before a line end", "a\r\r\n.b\r\n", "a\r\r\n..b\r\n.\r\n"},
		{"dot behind a bare LF", "a\n.\r\n", "a\n..\r\n.\r\n"},
		{"octets", "\x00\xff\x80\r\n", "\x00\xff\x80\r\n.\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(tt.in)+1; size++ {
				if got := dotted(t, tt.in, size); got != tt.want {
					t.Errorf("in pieces of %d: got %q, want %q", size, got, tt.want)
				}
			}
		})
	}
}

// dotted writes in, in pieces of size octets.
func dotted(t *testing.T, in string, size int) string {
	t.Helper()
	var out bytes.Buffer
	d := newDotWriter(bufio.NewWriterSize(&out, 16))
	// Neither side may see the whole, as strings.Reader.WriteTo would show it.
	n, err := io.CopyBuffer(struct{ io.Writer }{d}, struct{ io.Reader }{strings.NewReader(in)}, make([]byte, size))
	if err != nil || n != int64(len(in)) || d.n != n {
		t.Fatalf("wrote %d, counted %d: %v", n, d.n, err)
	}
	if sent, err := d.end(); err != nil || !sent {
		t.Fatalf("end: %v, %v", sent, err)
	}
	return out.String()
}

// FuzzDotWriter: what comes out is read back as it was, and ends where it ended.
func FuzzDotWriter(f *testing.F) {
	f.Add("a\r\n.\r\n..b\r\n", 3)
	f.Add("\r\r\n.", 1)
	f.Fuzz(func(t *testing.T, in string, size int) {
		in = strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\n", "\r\n")
		if straysOf(in) == forwarder.FalseEnd {
			return
		}
		out := dotted(t, in, max(1, size%64))
		if !strings.HasSuffix(in, "\r\n") && in != "" {
			in += "\r\n"
		}
		if i := strings.Index("\r\n"+out, "\r\n.\r\n"); i != len(out)-len(".\r\n") {
			t.Errorf("%q ends at %d, want %d", out, i, len(out)-len(".\r\n"))
		}
		lines := strings.SplitAfter(strings.TrimSuffix(out, ".\r\n"), "\r\n")
		for i, l := range lines {
			lines[i] = strings.TrimPrefix(l, ".")
		}
		if got := strings.Join(lines, ""); got != in {
			t.Errorf("%q became %q", in, got)
		}
	})
}

// flaky takes so many octets and no more.
type flaky struct{ left int }

func (w *flaky) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left >= 0 {
		return len(p), nil
	}
	return len(p) + w.left, errors.New("the wire is cut")
}

// The dot may have gone out only if its last octet was taken.
func TestDotSent(t *testing.T) {
	t.Parallel()
	const body = "abcdefghij\r\n" // with the dot just short of the buffer, and beyond it
	for _, size := range []int{16, 17, 4096} {
		whole := len(body) + len(".\r\n")
		for left := range whole + 1 {
			w := bufio.NewWriterSize(&flaky{left}, size)
			d := newDotWriter(w)
			if _, err := io.WriteString(d, body); err != nil {
				t.Fatal(err)
			}
			sent, err := d.end()
			if want := left == whole; sent != want || (err == nil) != want {
				t.Errorf("%d of %d octets taken, buffer %d: sent %v, %v", left, whole, size, sent, err)
			}
		}
	}
}

// The writer's own error is kept, to be told from the source's.
func TestDotError(t *testing.T) {
	t.Parallel()
	d := newDotWriter(bufio.NewWriterSize(&flaky{10}, 16))
	_, err := io.WriteString(d, strings.Repeat(".\r\n", 100))
	if err == nil || d.err == nil {
		t.Errorf("got %v, kept %v", err, d.err)
	}
	if n, again := d.Write([]byte("x")); n != 0 || !errors.Is(again, d.err) {
		t.Errorf("then %d, %v", n, again)
	}
	if sent, again := d.end(); sent || !errors.Is(again, d.err) {
		t.Errorf("end: %v, %v", sent, again)
	}
}

func BenchmarkDotWriter(b *testing.B) {
	text := []byte(strings.Repeat("a line of some seventy octets, as most mail has them, or so we hope\r\n.\r\n", 1000))
	w := bufio.NewWriterSize(io.Discard, writeSize)
	b.Run("slices", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			_, _ = newDotWriter(w).Write(text)
		}
	})
	b.Run("textproto", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		tw := textproto.NewWriter(w)
		for b.Loop() {
			_, _ = tw.DotWriter().Write(text)
		}
	})
}
