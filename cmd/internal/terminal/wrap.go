package terminal

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// minWidth is the narrowest terminal that lines are wrapped for, in columns. A
// narrower one would show one word a line.
const minWidth = 30

// Width returns the present width of a terminal in columns, 0 if w is not a
// terminal.
func Width(w io.Writer) int {
	f := fileOf(w)
	if f == nil {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Wrap breaks a line between words so that it fits into width columns; a width
// of 0 leaves it whole. Used is how many columns of the first line are taken
// already; the other lines are indented by hang. A word that is longer than a
// line stays whole, so that it can be copied.
func Wrap(line string, width, used, hang int) string {
	if width < minWidth {
		return line
	}
	var b strings.Builder
	room := width - used
	for utf8.RuneCountInString(line) > room {
		at := breakPoint(line, room)
		if at < 0 {
			break
		}
		b.WriteString(strings.TrimRight(line[:at], " ") + "\n" + strings.Repeat(" ", hang))
		line, room = strings.TrimLeft(line[at:], " "), width-hang
	}
	return b.String() + line
}

// breakPoint returns the offset of the last space within room columns, or else
// of the first one after that; it is never before the first word, nor before a unit
// such as s at the end of the line. -1: there is none.
func breakPoint(line string, room int) int {
	best, column, begun := -1, 0, false
	end := len(strings.TrimRight(line, " "))
	for at, r := range line[:end] {
		if r == ' ' && begun && (end-at > 2 || best < 0) && (best < 0 || column <= room) {
			best = at
		}
		begun = begun || r != ' '
		column++
	}
	return best
}

// WrapText wraps each line of a text. Continuation lines are indented as their
// first line is, behind its "- ", "> " or "! " if it has one.
func WrapText(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		words := strings.TrimLeft(line, " ")
		hang := len(line) - len(words)
		if strings.HasPrefix(words, "- ") || strings.HasPrefix(words, "> ") || strings.HasPrefix(words, "! ") {
			hang += 2
		}
		lines[i] = Wrap(line, width, 0, hang)
	}
	return strings.Join(lines, "\n")
}
