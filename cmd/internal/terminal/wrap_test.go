package terminal

import "testing"

// TestWrapText: lines are broken between words, below their beginning, and what
// cannot be broken stays whole.
func TestWrapText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		width      int
		text, want string
	}{
		"it fits":             {40, "  - as long as this", "  - as long as this"},
		"exactly":             {30, "123456789 123456789 1234567890", "123456789 123456789 1234567890"},
		"one more":            {30, "123456789 123456789 12345678901", "123456789 123456789\n12345678901"},
		"no terminal":         {0, "a line that is longer than any terminal could be if it had no columns", "a line that is longer than any terminal could be if it had no columns"},
		"an item":             {30, "  - the autoconfig of isp1.test: there is none", "  - the autoconfig of\n    isp1.test: there is none"},
		"a remedy":            {30, "    > Check the spelling of host, please.", "    > Check the spelling of\n      host, please."},
		"an address to copy":  {30, "Look at https://example.org/a/very/long/path/indeed now", "Look at\nhttps://example.org/a/very/long/path/indeed\nnow"},
		"several lines":       {30, "short\nand one that is longer than thirty", "short\nand one that is longer than\nthirty"},
		"letters, not octets": {30, "ßßßßßßßßß ßßßßßßßßß ßßßßßßßßßß", "ßßßßßßßßß ßßßßßßßßß ßßßßßßßßßß"},
		"a question":          {30, "Forward all the mail there is? ", "Forward all the mail there\nis? "},
		"a unit":              {30, "leo: 12 forwarded, and now 0.1 s", "leo: 12 forwarded, and now\n0.1 s"},
		"blanks alone":        {30, "                                        ", "                                        "},
		"nothing":             {30, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := WrapText(tt.text, tt.width); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
