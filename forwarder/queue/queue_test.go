package queue_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/queue"
)

// session is a session with nothing behind it.
type session struct {
	number int
	over   atomic.Bool
	ended  atomic.Bool // by QUIT
	closed atomic.Bool
	places []queue.Place // guarded by the queue's lock
}

func (s *session) Over() bool        { return s.over.Load() }
func (s *session) Retire()           { s.over.Store(true) }
func (s *session) Capacity(bool) int { return 2 }
func (s *session) Quit()             { s.ended.Store(true) }
func (s *session) Leave()            { s.ended.Store(true) }
func (s *session) Abort()            { s.closed.Store(true) }
func (s *session) Join(p queue.Place) int {
	s.places = append(s.places, p)
	return len(s.places)
}

// wide is a window that is always open.
type wide struct{ full *atomic.Int32 } // how often one more session was refused

func (wide) Width() int                        { return 100 }
func (wide) OnWire() int                       { return 100 }
func (wide) Sessions(queue.Load[*session]) int { return 100 }
func (wide) Ahead(messages int) int            { return messages }
func (wide) Narrow()                           {}
func (w wide) Full(int)                        { w.full.Add(1) }
func (wide) Reset()                            {}

// limit is how many sessions the server is known to take; 0: any number.
type limit struct {
	most  int
	fewer bool // it turns out to take one only
}

func (l *limit) LimitSessions(n int) {
	if l.most = max(1, n); l.fewer {
		l.most = 1
	}
}

func (l *limit) MaxSessions(configured int) int {
	if l.most == 0 {
		return configured
	}
	return min(configured, l.most)
}

type call = queue.Call[*session, int]

// world is a queue with what it has opened.
type world struct {
	*queue.Queue[*session, int]
	limit limit
	full  atomic.Int32

	mu       sync.Mutex
	sessions []*session
	fail     queue.Failure // of the sessions that are opened from now on
}

func newWorld(connections int) *world {
	w := &world{}
	w.Queue = queue.New(queue.Options[*session, int]{Dial: w.dial, Window: wide{&w.full}, Limit: &w.limit, Connections: connections, Now: time.Now})
	return w
}

func (w *world) dial(context.Context) (*session, queue.Failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return nil, w.fail
	}
	s := &session{number: len(w.sessions)}
	w.sessions = append(w.sessions, s)
	return s, nil
}

// close ends the queue.
func (w *world) close() {
	w.Close()
	w.Wait()
}

// begin brings calls onto sessions, one after the other.
func (w *world) begin(t *testing.T, n int) []*call {
	t.Helper()
	var all []*call
	for range n {
		c := w.Submit()
		if fail, err := w.Admit(t.Context(), c); fail != nil || err != nil {
			t.Fatalf("Admit: %v and %v", fail, err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		if fail, err := w.Assign(t.Context(), c, false); fail != nil || err != nil {
			t.Fatalf("Assign: %v and %v", fail, err)
		}
		synctest.Wait() // what it has asked for is open
	}
	return all
}

// end gives back what begin has taken.
func (w *world) end(calls ...*call) {
	for _, c := range calls {
		w.Return(c)
		w.Done(c)
	}
}

// TestServerThatIsDownIsNotOneThatTakesFewSessions: sessions that are opened together and
// all fail say nothing about how many there may be. One that fails beside others does.
func TestServerThatIsDownIsNotOneThatTakesFewSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(4)
		defer w.close()
		w.fail = refusal{421}
		w.Preconnect(4)
		synctest.Wait()
		if got := w.full.Load(); got != 0 {
			t.Errorf("the number of sessions was blamed %d times", got)
		}
		w.fail = nil
		w.Preconnect(1)
		synctest.Wait()
		w.fail = refusal{421}
		w.Preconnect(4)
		synctest.Wait()
		if w.full.Load() == 0 {
			t.Error("the number of sessions was not blamed beside one that is open")
		}
	})
}

// TestPlaces: a session says how a transaction finds it.
func TestPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.end(w.begin(t, 2)...)
		w.end(w.begin(t, 1)...)
		time.Sleep(2 * time.Second)
		w.end(w.begin(t, 1)...)
		want := []queue.Place{{}, {Behind: true}, {Idle: true}, {Idle: true, Rested: true}}
		if got := w.sessions[0].places; !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.sessions[0].ended.Load() {
			t.Error("a session that was idle for a minute has not ended")
		}
		w.close()
	})
}

// TestOnlyAsked: a session that was only asked something has had no transaction.
func TestOnlyAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		c := w.Submit()
		_, _ = w.Admit(t.Context(), c)
		for _, asks := range []bool{true, false} {
			if fail, err := w.Assign(t.Context(), c, asks); fail != nil || err != nil {
				t.Fatalf("Assign: %v and %v", fail, err)
			}
			w.Return(c)
		}
		w.Done(c)
		if got := w.sessions[0].places; !slices.Equal(got, []queue.Place{{}, {}}) {
			t.Errorf("got %+v, want two transactions that find a new session", got)
		}
		w.close()
	})
}

// TestAssignedAlthoughDone: a call whose ctx is done may have got a session, and gives
// it back as any other.
func TestAssignedAlthoughDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		for range 20 {
			c := w.Submit()
			ctx, cancel := context.WithCancel(t.Context())
			_, _ = w.Admit(ctx, c)
			cancel()
			if fail, err := w.Assign(ctx, c, false); fail == nil && err == nil {
				w.Return(c)
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v and %v, want the end of ctx", fail, err)
			}
			w.Done(c)
		}
		w.end(w.begin(t, 2)...) // the session has room
		w.close()
	})
}

// refusal is a server that lets nobody in.
type refusal struct{ code int }

func (refusal) Error() string { return "no" }
func (r refusal) Outcome() forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageGreeting, Code: r.code, Text: "too many connections"}
}

// TestNoSession: all that wait learn why there is no session, unless they have given
// up: then it is not the server's fault.
func TestNoSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		w.fail = refusal{554}
		given, cancel := context.WithCancel(t.Context())
		cancel()
		first, second := w.Submit(), w.Submit()
		synctest.Wait() // both are refused
		if fail, err := w.Admit(t.Context(), first); fail == nil || err != nil {
			t.Errorf("got %v and %v, want the server's refusal", fail, err)
		}
		if fail, err := w.Admit(given, second); fail != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v and %v, want the end of ctx", fail, err)
		}
		w.Done(first)
		w.Done(second)
		w.close()
		if _, err := w.Admit(t.Context(), w.Submit()); !errors.Is(err, queue.ErrClosed) {
			t.Errorf("got %v after Close, want %v", err, queue.ErrClosed)
		}
	})
}

// TestThrottledOnce: of several messages that are refused because of one session
// too many, only the first ends a session.
func TestThrottledOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(4)
		calls := w.begin(t, 7)
		load := make([]int, 4)
		on := make([]*call, 4) // the last one on each session
		for _, c := range calls {
			load[c.Session.number]++
			on[c.Session.number] = c
		}
		slices.Sort(load)
		if !slices.Equal(load, []int{1, 2, 2, 2}) {
			t.Fatalf("%v transactions on the sessions, want 1, 2, 2 and 2", load)
		}
		throttled := func(what string, c *call, began time.Time, want int) {
			t.Helper()
			w.Throttled(c, began)
			if got := w.limit.most; got != want {
				t.Errorf("%s: %d sessions, want %d", what, got, want)
			}
		}
		first := time.Now()
		throttled("the first", on[0], first, 3)
		throttled("another one, with four sessions", on[1], first, 3)
		time.Sleep(5 * time.Second)
		began := time.Now()
		w.endAll(calls, 0)
		synctest.Wait()
		if !w.sessions[0].ended.Load() {
			t.Error("the session that is one too many has not ended")
		}
		throttled("one that began with four", on[1], first, 3)
		throttled("one that began when the server may not have noticed", on[1], began, 3)
		time.Sleep(2 * time.Second)
		throttled("one that began with three", on[1], time.Now(), 2)
		w.endAll(calls, 1)
		time.Sleep(2 * time.Second)
		throttled("one that began with two", on[2], time.Now(), 1)
		w.endAll(calls, 2)
		time.Sleep(2 * time.Second)
		throttled("the last one stays", on[3], time.Now(), 1)
		if w.sessions[3].Over() {
			t.Error("the last session is over, want it to stay")
		}
		w.endAll(calls, 3)
		w.close()
	})
}

// endAll ends the calls that are on a session.
func (w *world) endAll(calls []*call, number int) {
	for _, c := range calls {
		if c.Session.number == number {
			w.end(c)
		}
	}
}

// TestThrottledByFar: a server that takes far fewer sessions than are left keeps the
// busiest.
func TestThrottledByFar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(4)
		w.limit.fewer = true
		calls := w.begin(t, 5)
		load := make(map[*session]int)
		for _, c := range calls {
			load[c.Session]++
		}
		i := slices.IndexFunc(calls, func(c *call) bool { return load[c.Session] == 1 })
		w.Throttled(calls[i], time.Now())
		for s, n := range load {
			if s.Over() != (n == 1) {
				t.Errorf("the session with %d transactions is over: %v", n, s.Over())
			}
		}
		w.end(calls...)
		w.close()
	})
}

// TestSlots: a session is opened only with a slot, which is given back when it has
// ended. Where there is none, sessions that are open take the calls, else nobody does.
func TestSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errNone := errors.New("no slot")
		var free atomic.Int32
		w := &world{}
		w.Queue = queue.New(queue.Options[*session, int]{Dial: w.dial, Window: wide{new(atomic.Int32)}, Limit: &w.limit, Connections: 4, Now: time.Now,
			Slot: func(context.Context) (func(), error) {
				if free.Add(-1) < 0 {
					free.Add(1)
					return nil, errNone
				}
				return func() { free.Add(1) }, nil
			}})
		defer w.close()
		refused := w.Submit()
		if fail, err := w.Admit(t.Context(), refused); err != nil || fail == nil || !errors.Is(fail, errNone) || fail.Outcome().Kind != forwarder.Unusable {
			t.Errorf("without a slot: got %v, %v; want %v", fail, err, errNone)
		}
		w.Done(refused)
		free.Store(1)
		calls := []*call{w.Submit(), w.Submit(), w.Submit()}
		for _, c := range calls {
			if fail, err := w.Admit(t.Context(), c); fail != nil || err != nil {
				t.Fatalf("with one slot: %v, %v", fail, err)
			}
			if fail, err := w.Assign(t.Context(), c, false); fail != nil || err != nil {
				t.Fatalf("with one slot: %v, %v", fail, err)
			}
			w.Return(c)
			w.Done(c)
		}
		if len(w.sessions) != 1 || free.Load() != 0 {
			t.Errorf("%d sessions, %d slots free; want 1, 0", len(w.sessions), free.Load())
		}
		time.Sleep(time.Minute) // it ends because it is idle
		synctest.Wait()
		if free.Load() != 1 {
			t.Errorf("%d slots are free after the session, want 1", free.Load())
		}
		w.fail = refusal{421}
		last := w.Submit()
		_, _ = w.Admit(t.Context(), last)
		w.Done(last)
		synctest.Wait()
		if free.Load() != 1 {
			t.Errorf("%d slots are free after a session that could not be opened, want 1", free.Load())
		}
	})
}
