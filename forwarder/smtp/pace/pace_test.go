package pace_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder/smtp/pace"
)

// Answers of a server that a table is made of.
const (
	ms   = time.Millisecond
	data = 2 * ms
	bdat = 1 * ms
	late = 43 * ms
)

func byData(wait time.Duration) pace.Answer { return pace.Answer{Envelope: wait, Final: wait} }
func byBDAT(wait time.Duration) pace.Answer { return pace.Answer{Final: wait, BDAT: true} }
func shared(a pace.Answer) pace.Answer      { a.Shared = true; return a }

// repeat is the same answer n times.
func repeat(n int, a pace.Answer) []pace.Answer {
	all := make([]pace.Answer, n)
	for i := range all {
		all[i] = a
	}
	return all
}

// lateBDAT is a server whose answers to BDAT are late unless more is sent.
func lateBDAT() []pace.Answer {
	return append([]pace.Answer{byData(data)}, repeat(4, byBDAT(late))...)
}

func TestBest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers []pace.Answer
		then    []pace.Answer
		want    time.Duration
	}{
		"nothing yet":                          {},
		"an answer that was not measured":      {then: repeat(9, byData(0))},
		"the first one":                        {then: repeat(1, byData(data)), want: data},
		"a quicker one counts at once":         {answers: repeat(1, byData(data)), then: repeat(1, byBDAT(bdat)), want: bdat},
		"so does one among others":             {answers: repeat(1, byData(data)), then: repeat(1, shared(byBDAT(bdat))), want: bdat},
		"late ones do not":                     {answers: repeat(1, byData(data)), then: repeat(3, byBDAT(late)), want: data},
		"until there are a few":                {answers: repeat(1, byData(data)), then: repeat(4, byBDAT(late)), want: late},
		"the quickest of these":                {answers: append(repeat(1, byData(data)), byBDAT(35*ms)), then: repeat(3, byBDAT(late)), want: 35 * ms},
		"late ones with one that is not":       {answers: append(repeat(1, byData(data)), append(repeat(3, byBDAT(late)), byBDAT(20*ms))...), then: repeat(3, byBDAT(late)), want: data},
		"slower ones that are not late":        {answers: repeat(1, byData(data)), then: repeat(40, byBDAT(20*ms)), want: data},
		"none that was among others":           {answers: repeat(1, byData(data)), then: repeat(40, shared(byBDAT(late))), want: data},
		"late ones with a quick one between":   {answers: append(repeat(1, byData(data)), append(repeat(3, byBDAT(late)), byBDAT(bdat))...), then: repeat(3, byBDAT(late)), want: bdat},
		"quick only among others":              {answers: lateBDAT(), then: repeat(20, shared(byBDAT(bdat))), want: late},
		"quick only by DATA":                   {answers: lateBDAT(), then: repeat(20, byData(data)), want: late},
		"quick again":                          {answers: lateBDAT(), then: repeat(1, byBDAT(bdat)), want: bdat},
		"by DATA alone, slower":                {answers: repeat(1, byData(data)), then: repeat(4, byData(late)), want: late},
		"by DATA alone, slower and then quick": {answers: append(repeat(1, byData(data)), repeat(4, byData(late))...), then: repeat(1, byData(data)), want: data},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p pace.Pace
			now := time.Now()
			for _, a := range append(tt.answers, tt.then...) {
				p.Note(a, now)
			}
			if got := p.Best(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSlowBDAT: BDAT is given up if messages come more slowly by it than they would
// by DATA, and not because each of them alone does.
func TestSlowBDAT(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before []pace.Answer
		each   time.Duration // from one message to the next
		after  int
		want   bool
	}{
		"many at a time are no quicker":      {before: lateBDAT(), each: 11 * ms, after: 32, want: true},
		"not yet":                            {before: lateBDAT(), each: 11 * ms, after: 31},
		"many at a time are quicker":         {before: lateBDAT(), each: ms, after: 100},
		"a server that is as slow by DATA":   {before: append(repeat(1, byData(late)), repeat(4, byBDAT(late))...), each: late, after: 100},
		"a server that was never measured":   {before: repeat(5, byBDAT(late)), each: late, after: 100},
		"a server that is quick by BDAT now": {before: append(lateBDAT(), byBDAT(bdat)), each: 11 * ms, after: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p pace.Pace
			now := time.Now()
			for _, a := range tt.before {
				p.Note(a, now)
			}
			for range tt.after {
				now = now.Add(tt.each)
				p.Note(shared(byBDAT(late)), now)
			}
			if got := p.SlowBDAT(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := p.Best(); tt.want && got != data {
				t.Errorf("the best is %v, want that of DATA", got)
			}
		})
	}
}
