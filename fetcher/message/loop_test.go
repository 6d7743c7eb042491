package message

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckLoop(t *testing.T) {
	t.Parallel()
	traced := func(o Origin) string { return string(o.TraceLines(NewTraceID(), noon)) }
	with := func(change func(*Origin)) Origin {
		o := origin
		change(&o)
		return o
	}
	hops := func(n int) string { return strings.Repeat("Received: from a by b; today\r\n", n) }
	own := &LoopError{}
	for name, test := range map[string]struct {
		header string
		want   *LoopError
	}{
		"no trace":                              {header: hops(3)},
		"its own trace":                         {traced(origin), own},
		"its own, below that of another server": {hops(2) + traced(with(func(o *Origin) { o.Host = "pop.example.org" })) + traced(origin), own},
		"the account was renamed":               {traced(with(func(o *Origin) { o.Account = "other" })), own},
		"without TLS, in capitals":              {traced(with(func(o *Origin) { o.Secure, o.Host = false, "POP.EXAMPLE.NET" })), own},
		"another user's":                        {header: traced(with(func(o *Origin) { o.Username = "mia" }))},
		"another server's":                      {header: traced(with(func(o *Origin) { o.Host = "pop.example.org" }))},
		"28 Received lines":                     {header: hops(28)},
		"29 Received lines":                     {hops(29), &LoopError{Hops: 29}}, // 31 at Exim, which bounces from there on
		"28 Received lines and its own trace":   {hops(27) + traced(origin), own},
	} {
		err := origin.CheckLoop(ParseHeader([]byte(test.header + "\r\n")))
		if test.want == nil {
			if err != nil {
				t.Errorf("%s: error %v, want none", name, err)
			}
			continue
		}
		var got *LoopError
		if !errors.As(err, &got) || *got != *test.want {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
}

func TestLoopErrorNamesTheLimitAndTheReason(t *testing.T) {
	t.Parallel()
	err := (&LoopError{Hops: 29}).Error()
	for _, want := range []string{"29 Received lines", "more than 30", "bounce"} {
		if !strings.Contains(err, want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
}
