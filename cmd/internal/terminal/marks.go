package terminal

// Marks stand before the lines of a report: ticks and crosses on a terminal, in
// colour if that is welcome; words elsewhere.
type Marks struct {
	OK, Failed string
	Width      int // of either, in columns
}

// NewMarks returns the marks for a terminal or for another kind of output. It
// honours TERM=dumb and NO_COLOR (no-color.org).
func NewMarks(terminal bool, getenv func(string) string) Marks {
	switch {
	case !terminal || getenv("TERM") == "dumb":
		return Marks{OK: "ok    ", Failed: "FAILED", Width: len("FAILED")}
	case getenv("NO_COLOR") != "":
		return Marks{OK: "✓", Failed: "✗", Width: 1}
	}
	return Marks{OK: green + "✓" + plain, Failed: red + "✗" + plain, Width: 1}
}

// The colours of the marks (ECMA-48 8.3.117).
const green, red, plain = "\x1b[32m", "\x1b[31m", "\x1b[0m"
