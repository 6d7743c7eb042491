package pop3

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// endless gives +OK and then the same octets over and over.
type endless struct {
	octets string
	begun  bool
	given  int64
	rest   string
}

func (e *endless) Read(p []byte) (int, error) {
	if !e.begun {
		e.begun = true
		return copy(p, "+OK\r\n"), nil
	}
	if e.rest == "" {
		e.octets = strings.Repeat(e.octets, max(1, 64<<10/len(e.octets))) // a timer for each line would be counted, too
		e.rest = e.octets
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.given += int64(n)
	return n, nil
}

// A reply that breaks its budget is a violation of the protocol that names the
// budget and its limit, whatever the lines contain; little is read beyond.
func TestRepliesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	listing := func(c *Client) error { _, err := c.Listing(t.Context()); return err }
	list := func(c *Client) error { _, err := c.List(t.Context()); return err }
	capa := func(c *Client) error { _, err := c.capa(t.Context()); return err }
	for _, tt := range []struct {
		name   string
		octets string
		ask    func(*Client) error
		budget Budget
		want   string
	}{
		{"CAPA, one keyword in lines of 8 kB", "X" + strings.Repeat(" a", 4090) + "\r\n", capa, BudgetCapa, "more than 16384 octets, the limit of CAPA"},
		{"CAPA, one keyword in short lines", "SASL A B C D E F G H I J K L M N O P Q R S T U V W X Y Z\r\n", capa, BudgetCapa, "more than 16384 octets, the limit of CAPA"},
		{"CAPA, 33 words and an end", "SASL" + strings.Repeat(" X", maxWords+1) + "\r\n.\r\n", capa, BudgetCapa, `more than 32 words of "SASL", the limit of CAPA`},
		{"CAPA, empty lines", "\r\n", capa, BudgetCapa, "more than 512 lines, the limit of CAPA"},
		{"UIDL, short lines", "7 u\r\n", listing, BudgetListing, "more than 50000 lines, the limit of max_listing"},
		{"UIDL, long UIDs", "7 " + strings.Repeat("u", 1000) + "\r\n", listing, BudgetListing, "more than 1600000 octets, the limit of max_listing"},
		{"UIDL, junk", "junk\r\n", listing, BudgetListing, "more than 50000 lines, the limit of max_listing"},
		{"UIDL, junk of 60 kB", strings.Repeat("x", 60_000) + "\r\n", listing, BudgetListing, "more than 1600000 octets, the limit of max_listing"},
		{"LIST, short lines", "7 7\r\n", list, BudgetListing, "more than 50000 lines, the limit of max_listing"},
		{"LIST, junk of 60 kB", strings.Repeat("x", 60_000) + "\r\n", list, BudgetListing, "more than 1600000 octets, the limit of max_listing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := &endless{octets: tt.octets}
			c, done := from(server)
			defer done()
			c.o.MaxListing = 50_000
			err := tt.ask(c)
			var violation *ProtocolError
			if !errors.As(err, &violation) || violation.Budget != tt.budget || !strings.Contains(violation.Text, tt.want) {
				t.Errorf("%v (budget %q), want %q", err, violation.Budget, tt.want)
			}
			if limit := c.o.budget(string(tt.budget)).octets; server.given > limit+2*maxLine {
				t.Errorf("%d octets were read, %d are allowed", server.given, limit)
			}
			if c.Err() == nil {
				t.Error("the session stands")
			}
		})
	}
}

// What CAPA says within its budget is understood.
func TestCapaWithinItsBudget(t *testing.T) {
	t.Parallel()
	lines := []string{"S: TOP", "S: SASL PLAIN" + strings.Repeat(" X", maxWords-2), "S: SASL LOGIN", "S: UIDL"}
	for range 400 {
		lines = append(lines, "S: X-"+strings.Repeat("y", 30))
	}
	c := ready(t, slices.Concat([]string{"C: CAPA", "S: +OK"}, lines, []string{"S: ."})...)
	caps, err := c.capa(t.Context())
	if err != nil || !caps.Has("TOP") || !caps.Has("UIDL") || !caps.offers("PLAIN") || !caps.offers("LOGIN") || len(caps.arguments("SASL")) != maxWords {
		t.Errorf("%v, %v", caps, err)
	}
}

// Each reply has an end in time, too: a server that is just fast enough cannot hold a
// session for hours.
func TestRepliesThatDrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		line string
		ask  func(context.Context, *Client) error
		most time.Duration
	}{
		{"CAPA", "+OK x\r\n", func(ctx context.Context, c *Client) error { _, err := c.capa(ctx); return err }, 4 * time.Minute},
		{"UIDL", "+OK " + strings.Repeat("x", 300) + "\r\n", func(ctx context.Context, c *Client) error { _, err := c.Listing(ctx); return err }, 11 * time.Minute},
		{"TOP", "+OK " + strings.Repeat("x", 300) + "\r\n", func(ctx context.Context, c *Client) error {
			b, err := c.Top(ctx, 1, 0)
			if err == nil {
				_, err = io.Copy(io.Discard, b)
			}
			return err
		}, 11 * time.Minute},
		{"LIST", "+OK " + strings.Repeat("x", 300) + "\r\n", func(ctx context.Context, c *Client) error { _, err := c.List(ctx); return err }, 11 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				var server sync.WaitGroup
				defer server.Wait()
				defer far.Close()
				server.Go(func() { _, _ = io.Copy(io.Discard, far) })
				server.Go(func() { // a line a second, on the clock of the bubble
					for {
						time.Sleep(time.Second)
						if _, err := io.WriteString(far, tt.line); err != nil {
							return
						}
					}
				})
				c := newClient(near, Options{})
				defer c.Close()
				start := time.Now()
				err := tt.ask(t.Context(), c)
				if took := time.Since(start); err == nil || took > tt.most || !strings.Contains(err.Error(), "longer than") {
					t.Errorf("%v after %v, want an end of its time within %v", err, took, tt.most)
				}
			})
		})
	}
}

// What a server says goes into the ledger and the log: of 8 kB nobody reads more than
// the beginning.
func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 4000)
	c := ready(t, "C: NOOP", "S: -ERR [SYS/TEMP] "+long)
	var refused *Error
	if err := c.Noop(t.Context()); !errors.As(err, &refused) || refused.Code != "SYS/TEMP" || len(refused.Text) > 1024 ||
		!strings.HasPrefix(long, strings.TrimSuffix(refused.Text, "...")) || !strings.HasSuffix(refused.Text, "ä...") {
		t.Errorf("%v", err)
	}
	c = play(t, Options{}, "S: +OK "+long)
	if text, err := c.greeting(t.Context()); err != nil || len(text) > 1024 {
		t.Errorf("a greeting of %d octets, %v", len(text), err)
	}
}

// A listing without an end is over before it has cost more than its budget.
func TestEndlessListingMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million lines")
	}
	for _, line := range []string{"7 u\r\n", "7 " + strings.Repeat("u", 28) + "\r\n", "7 " + strings.Repeat("u", 8000) + "\r\n", "junk\r\n"} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c, done := from(&endless{octets: line})
		_, err := c.Listing(t.Context())
		runtime.ReadMemStats(&after)
		done()
		if broken := (*ProtocolError)(nil); !errors.As(err, &broken) || broken.Budget != BudgetListing {
			t.Errorf("%.10q: %v", line, err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 80<<20 {
			t.Errorf("%.10q: %d MB were allocated, want 80 at most", line, taken>>20)
		}
	}
}

// allocates reports whether each of three calls of f allocates more than so many
// octets. One may have met with what else the process does.
func allocates(most uint64, f func()) bool {
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if after.TotalAlloc-before.TotalAlloc <= most {
			return false
		}
	}
	return true
}
