package mailbox

import "testing"

// TestCustodyEnding is what a session may do at its end, after what happened to the
// messages that its server gave out.
func TestCustodyEnding(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		events func(*custody)
		want   Ending
	}{
		"nothing was retrieved": {func(*custody) {}, Normally},
		"sent":                  {func(c *custody) { c.wanted(1) }, Normally},
		"waited for the destination until the end": {func(c *custody) { c.wanted(1); c.abandoned(1) }, DeleteLater},
		"discarded":                               {func(c *custody) { c.abandoned(2) }, DeleteLater},
		"discarded, then asked for again":         {func(c *custody) { c.abandoned(2); c.wanted(2) }, Normally},
		"one of two asked for again":              {func(c *custody) { c.abandoned(2); c.abandoned(3); c.wanted(2) }, DeleteLater},
		"hiding server, on its way to the disk":   {func(c *custody) { c.wanted(1); c.givenOut(1) }, WithoutQuit},
		"hiding server, on disk":                  {func(c *custody) { c.wanted(1); c.givenOut(1); c.durable(1) }, Normally},
		"hiding server, given out twice, on disk": {func(c *custody) { c.givenOut(1); c.givenOut(1); c.durable(1) }, Normally},
		"hiding server, given out again, lost":    {func(c *custody) { c.givenOut(1); c.durable(1); c.givenOut(1) }, WithoutQuit},
		"hiding server, one of two on disk":       {func(c *custody) { c.givenOut(1); c.givenOut(2); c.durable(2) }, WithoutQuit},
		"hiding server, on disk and not sent":     {func(c *custody) { c.givenOut(1); c.durable(1); c.abandoned(1) }, DeleteLater},
	} {
		c := newCustody()
		test.events(c)
		if got := c.ending(); got != test.want {
			t.Errorf("%s: ending %d, want %d", name, got, test.want)
		}
		if got, want := c.quitSafe(), test.want == Normally; got != want {
			t.Errorf("%s: QUIT is safe: %v, want %v", name, got, want)
		}
	}
}
