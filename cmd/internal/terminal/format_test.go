package terminal

import (
	"strings"
	"testing"
	"time"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		max  int
		want string
	}{
		"plain text stays":         {"Grüße, 日本", 0, "Grüße, 日本"},
		"control characters go":    {"a\x1b[2Jb\x00\u009b\u202ec", 0, "a?[2Jb???c"},
		"lines become one":         {"a\r\nb\tc", 0, "a  b c"},
		"as long as allowed":       {"12345", 5, "12345"},
		"longer than allowed":      {"123456", 5, "1234…"},
		"counted in characters":    {strings.Repeat("ß", 5), 5, "ßßßßß"},
		"invalid UTF-8 is visible": {"M\xfcller", 0, "M\ufffdller"},
	} {
		if got := Printable(tt.text, tt.max); got != tt.want {
			t.Errorf("%s: Printable(%q, %d) = %q, want %q", name, tt.text, tt.max, got, tt.want)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Size(0): "0 B", Size(-1): "0 B", Size(999): "999 B", Size(82_400): "82 kB", Size(1_230_000): "1.2 MB",
		Span(0): "0 s", Span(59 * time.Second): "59 s", Span(90 * time.Second): "1 min 30 s", Span(25*time.Minute + 9*time.Second): "25 min",
		Span(3*time.Hour + 5*time.Minute): "3 h 5 min", Span(99*time.Hour + 59*time.Minute): "99 h 59 min", Span(12 * 24 * time.Hour): "12 days",
		Count(0, "message"): "0 messages", Count(1, "message"): "1 message", Count(2, "message"): "2 messages",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
