package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// narrowest is how many columns a terminal has at least for lines to be folded
// in it: in fewer, there would be a word a line.
const narrowest = 30

// columns is how many columns a terminal has now; 0 for what is none.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// fold breaks a line between words, where a terminal would break it anywhere.
// So many columns of the first line are taken; the others begin hang columns
// in. A word that is longer than a line stays whole, so that it can be copied.
func fold(line string, width, taken, hang int) string {
	if width < narrowest {
		return line
	}
	var b strings.Builder
	room := width - taken
	for utf8.RuneCountInString(line) > room {
		at := lastBlank(line, room)
		if at < 0 {
			break
		}
		b.WriteString(strings.TrimRight(line[:at], " ") + "\n" + strings.Repeat(" ", hang))
		line, room = strings.TrimLeft(line[at:], " "), width-hang
	}
	return b.String() + line
}

// lastBlank is where a line of so many columns can be broken at best, behind
// its first word at the earliest; -1: nowhere.
func lastBlank(line string, room int) int {
	best, column, begun := -1, 0, false
	end := len(strings.TrimRight(line, " "))
	for at, r := range line[:end] {
		if r == ' ' && begun && (best < 0 || column <= room) {
			best = at
		}
		begun = begun || r != ' '
		column++
	}
	return best
}

// foldAll folds each line of a text below its own beginning, behind the mark of
// an item if it has one.
func foldAll(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		words := strings.TrimLeft(line, " ")
		hang := len(line) - len(words)
		if strings.HasPrefix(words, "- ") || strings.HasPrefix(words, "> ") || strings.HasPrefix(words, "! ") {
			hang += 2
		}
		lines[i] = fold(line, width, 0, hang)
	}
	return strings.Join(lines, "\n")
}
