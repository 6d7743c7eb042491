package imap

import (
	"slices"
	"testing"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	const text = "Received: from a\r\n\tby popferry with POP3 id x;\r\n\tdate\r\nX-Popferry-Trace: id=x; account=1\r\nreceived: from b by popferry id y\r\n" +
		"X-POPFERRY-TRACE:\r\n id=y;account=2\r\nDate:  a\r\n  b \r\nno field\r\nDate: second\r\n\r\n"
	h := header(text)
	if got := slices.Collect(h.traces()); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("traces: %q", got)
	}
	if got := h.get("date"); got != "a b" {
		t.Errorf("date: %q", got)
	}
	if got, want := h.traceSize(), int64(len("Received: from a\r\n\tby popferry with POP3 id x;\r\n\tdate\r\nX-Popferry-Trace: id=x; account=1\r\n")); got != want {
		t.Errorf("the trace has %d octets, want %d", got, want)
	}
	const tag = "X-Popferry-Account: isp\r\n"
	if got, want := header(tag+text+tag).traceSize(), h.traceSize()+int64(len(tag)); got != want {
		t.Errorf("with the account's name above, and one below that is not ours: %d octets, want %d", got, want)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add("A: b\r\n c\r\nX-Popferry-Trace: id=x\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		h, total := header(s), 0
		for _, octets := range h.fields() {
			total += octets
		}
		if total > len(s) {
			t.Errorf("%d octets of fields in %d", total, len(s))
		}
		_, _ = slices.Collect(h.traces()), h.traceSize()
	})
}
