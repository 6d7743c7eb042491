package terminal

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table is columns of text. The last one is wrapped where the terminal is too narrow.
type Table struct{ rows [][]string }

// Row adds a row. All rows have as many cells.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

const (
	columnGap = 2 // between two columns
	// lastAtLeast is the least room for the last column: with less, it stands below
	// the others.
	lastAtLeast = 24
	lastIndent  = 4 // of a last column that stands below
)

// Print prints the table within width columns; 0: any width.
func (t *Table) Print(w io.Writer, width int) error {
	var b strings.Builder
	widths, used := t.widths()
	below := width > 0 && width-used < lastAtLeast
	for _, row := range t.rows {
		last := len(row) - 1
		line := ""
		for i, cell := range row[:last] {
			line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+columnGap)
		}
		switch {
		case !below:
			line += Wrap(row[last], width, used, used)
		case row[last] != "":
			line = strings.TrimRight(line, " ") + "\n" + strings.Repeat(" ", lastIndent) + Wrap(row[last], width, lastIndent, lastIndent)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths are those of all columns but the last, and how many columns of the
// terminal these take together, with their gaps.
func (t *Table) widths() (widths []int, used int) {
	for _, row := range t.rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, n := range widths {
		used += n + columnGap
	}
	return widths, used
}
