package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestTriedChanged(t *testing.T) {
	t.Parallel()
	const asked, not = true, false
	wrong := ledger.MarkSecret("wrong")
	for name, tt := range map[string]struct {
		tried    ledger.Tried
		settings string
		secret   string // "": it cannot be read
		want     bool
		asked    bool
	}{
		"nothing is known":                   {ledger.Tried{}, "new", "right", false, not},
		"the same":                           {ledger.Tried{Settings: "old", Secret: wrong}, "old", "wrong", false, asked},
		"other settings":                     {ledger.Tried{Settings: "old", Secret: wrong}, "new", "wrong", true, not},
		"another secret":                     {ledger.Tried{Settings: "old", Secret: wrong}, "old", "right", true, asked},
		"another secret that did not matter": {ledger.Tried{Settings: "old"}, "old", "right", false, not},
		"the secret cannot be read now":      {ledger.Tried{Settings: "old", Secret: wrong}, "old", "", false, asked},
		"nor could it before":                {ledger.Tried{Settings: "old", Secret: ledger.Unreadable}, "old", "", false, asked},
		"it could not be read before":        {ledger.Tried{Settings: "old", Secret: ledger.Unreadable}, "old", "right", true, asked},
		"the fifth change":                   {ledger.Tried{Settings: "old", Secret: wrong, Changes: 4}, "old", "right", true, asked},
		"the sixth change":                   {ledger.Tried{Settings: "old", Secret: wrong, Changes: 5}, "old", "right", false, not},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wasAsked := false
			got := tt.tried.Changed(tt.settings, func() (string, error) {
				wasAsked = true
				if tt.secret == "" {
					return "", errors.New("no such file")
				}
				return tt.secret, nil
			})
			if got != tt.want || wasAsked != tt.asked {
				t.Errorf("changed %v, asked for the secret %v; want %v, %v", got, wasAsked, tt.want, tt.asked)
			}
		})
	}
}

// TestMarkSaysNothing: two marks of one secret have nothing in common, and a mark
// is too short to prove a guess.
func TestMarkSaysNothing(t *testing.T) {
	t.Parallel()
	a, b := string(ledger.MarkSecret("hunter2")), string(ledger.MarkSecret("hunter2"))
	_, tag, _ := strings.Cut(a, ":")
	if a == b || strings.Contains(a, "hunter2") || len(tag) != 4 {
		t.Errorf("marks %s and %s; want different ones, without the secret and with two octets of a hash", a, b)
	}
}
