package pop3

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// much is more than any message of these tests has.
const much = 1 << 20

// What is read away has a bound: a message that goes on ends the session.
func TestSkipLimitsOctets(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 98)
	c := ready(t, "C: RETR 1", "C: RETR 2", "S: +OK", "S: one", "S: .", "S: +OK", "S: "+long, "S: "+long)
	ahead(t, c, RetrCommand(1), RetrCommand(2))
	if err := c.Skip(t.Context(), 5); err != nil {
		t.Fatalf("as long as the bound: %v", err)
	}
	if err := c.Skip(t.Context(), 150); !errors.Is(err, errTooLong) || errors.Is(err, io.EOF) {
		t.Errorf("error %v, want %v", err, errTooLong)
	}
	if !errors.Is(c.Err(), errTooLong) {
		t.Errorf("the session goes on: %v", c.Err())
	}
}
