package ledger_test

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestParseState(t *testing.T) {
	t.Parallel()
	for _, s := range ledger.States() {
		if got, err := ledger.ParseState(s.String()); err != nil || got != s {
			t.Errorf("ParseState(%q) is %v, %v, want %[1]v, no error", s, got, err)
		}
	}
	for _, bad := range []string{"", "Forwarded", "held ", "state 0", "state 99", ledger.State(0).String(), ledger.State(99).String()} {
		if got, err := ledger.ParseState(bad); err == nil {
			t.Errorf("ParseState(%q) is %v, want an error", bad, got)
		} else if !strings.Contains(err.Error(), "forwarded") {
			t.Errorf("ParseState(%q): error %v, want one that names the states", bad, err)
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	due := map[ledger.State]bool{ledger.Sending: true, ledger.Deferred: true, ledger.Unknown: true}
	for _, s := range ledger.States() {
		if s.Due() != due[s] {
			t.Errorf("%s.Due() is %v, want %v", s, s.Due(), due[s])
		}
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	const f, d, h, u = ledger.Forwarded, ledger.Deferred, ledger.Held, ledger.Unknown
	for _, test := range []struct {
		of   []ledger.State
		want ledger.State
	}{
		{nil, u}, // nothing shows that anyone has it
		{[]ledger.State{f, ledger.Sending}, u},
		{[]ledger.State{f}, f},
		{[]ledger.State{f, f}, f},
		{[]ledger.State{h}, h},
		{[]ledger.State{f, h, f}, h},
		{[]ledger.State{h, d}, d},
		{[]ledger.State{d, h, f}, d},
		{[]ledger.State{u, d, h, f}, u},
		{[]ledger.State{f, h, d, u}, u},
	} {
		var rs []ledger.Recipient
		for _, s := range test.of {
			rs = append(rs, ledger.Recipient{State: s})
		}
		if got := ledger.Worst(rs); got != test.want {
			t.Errorf("Worst of %v is %s, want %s", test.of, got, test.want)
		}
	}
}
