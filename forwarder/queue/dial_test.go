package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/popferry/popferry/forwarder/queue"
)

// opening is a session whose attempts to log in go by a plan.
type opening struct {
	queue.Attempt
	fail queue.Failure
	next queue.Attempt // what it leaves
}

func (o *opening) Connect(context.Context) queue.Failure {
	if o.Refused == "" {
		o.Attempt = o.next
	}
	return o.fail
}

// reconnect is a failure that asks for a new connection.
type reconnect struct{ refusal }

func (reconnect) NewConnection() bool { return true }

// TestDial: what an attempt that failed is followed by.
func TestDial(t *testing.T) {
	t.Parallel()
	token := queue.Attempt{OtherLogin: true, Refused: "old"}
	for name, tt := range map[string]struct {
		plan    []opening
		stopped bool
		want    []queue.Attempt // what the attempts were told
	}{
		"at once":                       {plan: []opening{{}}, want: []queue.Attempt{{}}},
		"refused":                       {plan: []opening{{fail: refusal{535}}}, want: []queue.Attempt{{}}},
		"TLS asks for it":               {plan: []opening{{fail: reconnect{}}, {}}, want: []queue.Attempt{{}, {}}},
		"TLS asks for it, and stopped":  {plan: []opening{{fail: reconnect{}}}, stopped: true, want: []queue.Attempt{{}}},
		"TLS asks for it twice":         {plan: []opening{{fail: reconnect{}}, {fail: reconnect{}}}, want: []queue.Attempt{{}, {}}},
		"hangs up after a method":       {plan: []opening{{fail: refusal{421}, next: queue.Attempt{OtherLogin: true}}, {}}, want: []queue.Attempt{{}, {}}},
		"hangs up after a token":        {plan: []opening{{fail: refusal{0}, next: token}, {}}, want: []queue.Attempt{{}, {Refused: "old"}}},
		"refuses after a token":         {plan: []opening{{fail: refusal{535}, next: token}}, want: []queue.Attempt{{}}},
		"hangs up after a token, twice": {plan: []opening{{fail: refusal{0}, next: token}, {fail: refusal{0}, next: token}}, want: []queue.Attempt{{}, {Refused: "old"}}},
		"TLS, then a token":             {plan: []opening{{fail: reconnect{}}, {fail: refusal{421}, next: token}, {}}, want: []queue.Attempt{{}, {}, {Refused: "old"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if tt.stopped {
				stop()
			}
			var told []queue.Attempt
			s, fail := queue.Dial(ctx, func(before queue.Attempt) *opening {
				told = append(told, before)
				o := tt.plan[len(told)-1]
				o.Attempt = before
				return &o
			})
			if fmt.Sprint(told) != fmt.Sprint(tt.want) {
				t.Errorf("the attempts were told %+v, want %+v", told, tt.want)
			}
			if last := tt.plan[len(tt.plan)-1]; !errors.Is(fail, last.fail) || s.fail != last.fail {
				t.Errorf("got %v, want %v", fail, last.fail)
			}
		})
	}
}
