package identify

import (
	"testing"
	"time"
)

func TestPolicyExpired(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	sinceMoon := noon.Sub(time.Date(1969, 7, 20, 0, 0, 0, 0, time.UTC))
	for _, test := range []struct {
		name string
		p    Policy
		age  time.Duration // since it was forwarded; -1: it is not known when
		want bool
	}{
		{"deleted once forwarded", Policy{}, 0, true},
		{"kept for ever", Policy{Keep: true}, 1000 * day, false},
		{"kept for a time that is over", Policy{Keep: true, KeepFor: day}, day, true},
		{"kept for a time", Policy{Keep: true, KeepFor: day}, day - time.Second, false},
		{"forwarded before there was a popferry", Policy{Keep: true, KeepFor: day}, sinceMoon, false},
		{"the same, and not to be kept", Policy{}, sinceMoon, true},
		{"forwarded at an unknown time", Policy{Keep: true, KeepFor: day}, -1, false},
	} {
		forwarded := noon.Add(-test.age)
		if test.age < 0 {
			forwarded = time.Time{}
		}
		if got := test.p.Expired(forwarded, noon); got != test.want {
			t.Errorf("%s: expired: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestPolicyKeepsLongerThanTheServer(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, test := range []struct {
		p    Policy
		days int // of EXPIRE
		want bool
	}{
		{Policy{}, 1, false},
		{Policy{Keep: true}, 1000, true},
		{Policy{Keep: true, KeepFor: 14 * day}, 7, true},
		{Policy{Keep: true, KeepFor: 14 * day}, 14, false},
	} {
		if got := test.p.KeepsLonger(test.days); got != test.want {
			t.Errorf("%+v keeps longer than %d days: %v, want %v", test.p, test.days, got, test.want)
		}
	}
}
