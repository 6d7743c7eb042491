package talk

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// patience is how long a question waits for its answer.
const patience = 10 * time.Minute

// Talk is one dialogue. With its lines and questions it is what setup.FrontEnd wants, but
// for the steps of a trial.
type Talk struct {
	Title  string
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed at the end

	mu       sync.Mutex
	lines    []Line
	question *Question     // nil: nothing is asked
	answer   chan<- string // of question; has room for it
	result   Result
	changed  chan struct{} // closed and replaced whenever the state changes
}

// State is what a page shows of a talk.
type State struct {
	Title    string
	Lines    []Line
	Question *Question // nil: it is working, or has ended
	Ended    bool
	Result   Result // of one that has ended
}

// Result is how a talk ended.
type Result struct {
	Done string // what was done, in a sentence; "": nothing
	Err  error
}

// Question is what is asked.
type Question struct {
	ID     string // of this question alone
	Kind   Kind
	Text   string
	Preset string   // of a line
	Words  []string // of a choice, the usual one first
}

// Kind is how a question is answered.
type Kind string

// The kinds.
const (
	AsLine   Kind = "line"
	AsSecret Kind = "secret"
	AsChoice Kind = "choice"
)

// Errors of Answer.
var (
	// ErrStale: this question was answered already, on another page perhaps.
	ErrStale = errors.New("this question has been answered already, or is not asked any more; what is asked now is below")
	// ErrAnswer: no browser sends such an answer.
	ErrAnswer = errors.New("the answer has characters that cannot be typed, or is none of those to choose from")
)

// Start begins a talk that runs beside its caller until do returns or ctx ends. Stop
// ends it, too.
func Start(ctx context.Context, title string, do func(context.Context, *Talk) (done string, err error)) *Talk {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &Talk{Title: title, cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	go func() {
		defer close(t.ended)
		defer cancel(nil)
		done, err := do(ctx, t)
		t.change(func() { t.question, t.result = nil, Result{done, err} })
	}()
	return t
}

// Stop ends the talk and waits for that.
func (t *Talk) Stop() {
	t.cancel(terminal.ErrStopped)
	<-t.ended
}

// Ended is closed when the talk has ended.
func (t *Talk) Ended() <-chan struct{} { return t.ended }

// over reports whether it has ended.
func (t *Talk) over() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// State returns what to show now.
func (t *Talk) State() State {
	over := t.over() // before its result is read
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{Title: t.Title, Lines: t.lines[:len(t.lines):len(t.lines)], Question: t.question, Ended: over}
	if over {
		s.Result = t.result
	}
	return s
}

// Await waits until something is asked, or the talk or ctx has ended: the page that
// comes then need not be loaded again at once.
func (t *Talk) Await(ctx context.Context) {
	for {
		t.mu.Lock()
		asked, changed := t.question != nil, t.changed
		t.mu.Unlock()
		if asked {
			return
		}
		select {
		case <-changed:
		case <-t.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// change changes the state.
func (t *Talk) change(do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	do()
	close(t.changed)
	t.changed = make(chan struct{})
}

// Answer answers the question of that ID. The error is ErrStale or ErrAnswer.
func (t *Talk) Answer(id, text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch q := t.question; {
	case q == nil || id != q.ID:
		return ErrStale
	case !q.takes(text):
		return ErrAnswer
	}
	t.question = nil // nobody else answers it
	t.answer <- text
	return nil
}

// ask asks and waits for the answer.
func (t *Talk) ask(ctx context.Context, q Question) (string, error) {
	q.ID = rand.Text()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	answer := make(chan string, 1)
	t.change(func() { t.question, t.answer = &q, answer })
	defer t.change(func() { t.question = nil })
	select {
	case text := <-answer:
		return text, nil
	case <-limit.C:
		return "", terminal.ErrStopped
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
