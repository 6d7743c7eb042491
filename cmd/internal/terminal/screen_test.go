//go:build linux

package terminal

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/creack/pty"
)

// TestScreen: on a terminal only the colours of the marks act, and only if they
// stand there as popferry writes them.
func TestScreen(t *testing.T) {
	t.Parallel()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	s := NewScreen(tty)
	if !Is(s) || File(s) != tty || Width(s) != Width(tty) {
		t.Errorf("got terminal %v, file %v, width %d; want those of the terminal", Is(s), File(s), Width(s))
	}
	marks := NewMarks(true, func(string) string { return "" })
	text := marks.OK + " K\u00f6ln \x1b[2J\u009b2J\u202e\xff \x1b[31;5m " + marks.Failed + "\n"
	if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("got %d, %v; want %d", n, err, len(text))
	}
	got, err := bufio.NewReader(master).ReadString('\n')
	want := marks.OK + ` Köln \x1b[2J\u009b2J\u202e\xff \x1b[31;5m ` + marks.Failed + "\r\n" // the terminal's CR
	if err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestNoScreen: what is not a terminal gets the octets.
func TestNoScreen(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if s := NewScreen(&b); s != &b || Is(s) || File(s) != nil || Width(s) != 0 {
		t.Errorf("got %T, want the writer itself, which is no terminal", s)
	}
}
