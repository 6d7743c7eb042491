package fetcher

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/pop3"
)

// A far server's answer to RETR takes a round trip, during which nothing moves.
// Where the server offers PIPELINING (RFC 2449 6.6) messages are asked for
// before it is their turn. What this must not cost:
//
//   - Framing. A message that ends too early, for its server did not stuff a
//     dot, would give its rest as the next message. So a message that is not
//     exactly as long as listed is not taken while others are outstanding: they
//     are dropped, and from then on a marker is asked for behind each message.
//   - Hidden mail. Where RETR hides or deletes, nothing is asked for ahead. As
//     nobody knows this of a server before it was seen, a session is not ended
//     properly while something was given out that was not sent (salvage).
//   - A server that cannot do it after all. What breaks while more than one
//     command is outstanding is no message's fault: the session is repeated
//     without (PipelineError).

const (
	// aheadOctets is how much is asked for ahead, by listed sizes: enough for
	// 100 Mbit/s over 150 ms. It is also what may have to be read for nothing
	// when a poll is stopped.
	aheadOctets = 2 << 20
	// aheadMessages is the same as a number, within pop3.MaxAhead with markers.
	aheadMessages = 100
	// aheadCommands is how many TOPs are sent at a time.
	aheadCommands = 128
	// aheadDeletions is how many DELEs are; their answers are small. QUIT still
	// has room behind them.
	aheadDeletions = pop3.MaxAhead - 1
	// lockstepFor is how long a server is spared that could not do it, and TOP
	// where that broke the connection.
	lockstepFor = 30 * 24 * time.Hour
	// maxPipelineBreaks is how many pipelined sessions in a row may end in a
	// cut before that is taken for the pipelining's doing.
	maxPipelineBreaks = 2
)

// PipelineError is a session that broke while several commands were
// outstanding, at a server that offers PIPELINING.
type PipelineError struct{ Err error }

func (e *PipelineError) Error() string {
	return "with several commands outstanding: " + e.Err.Error()
}

func (e *PipelineError) Unwrap() error { return e.Err }

// proves tells whether the break shows by itself that the server can't do it,
// and was not just a line that was cut.
func (e *PipelineError) proves() bool {
	var nonsense *pop3.ProtocolError
	return errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.As(e.Err, &nonsense)
}

// pipeline are the messages that a session is to fetch, in their order.
type pipeline struct {
	lockstep bool                 // nothing is sent ahead
	marked   bool                 // with a marker behind each message
	todo     []identify.Candidate // not asked for yet
	asked    []question
	octets   int64        // of what is asked for, as listed
	deep     bool         // more than one command was outstanding in this session
	dropped  map[int]bool // given out, read away, and not asked for again
}

// question is a message that was asked for.
type question struct {
	identify.Candidate
	marked bool
}

// pipelines tells whether commands may be sent ahead.
func (s *session) pipelines() bool {
	return !s.pipe.lockstep && s.caps.Pipelining() && !hides(s.Learnt, s.Source)
}

// expect says which messages will be asked for, in this order.
func (s *session) expect(due []identify.Candidate) {
	s.pipe.todo = nil
	for _, c := range due {
		if c.Known.CopyFile == "" { // a copy is at hand
			s.pipe.todo = append(s.pipe.todo, c)
		}
	}
}

// take asks for a message, and for those behind it, or claims it if it was
// asked for before. marked tells that a marker follows.
func (s *session) take(ctx context.Context, c identify.Candidate) (body *pop3.Body, marked bool, err error) {
	p := &s.pipe
	if len(p.asked) > 0 && p.asked[0].Number != c.Number {
		if err := s.drop(ctx); err != nil {
			return nil, false, err
		}
	}
	if err := s.fill(ctx, c); err != nil {
		return nil, false, err
	}
	if len(p.asked) > 0 {
		marked = p.asked[0].marked
		p.octets -= max(0, c.Size)
		p.asked = p.asked[1:]
	}
	delete(p.dropped, c.Number)
	body, err = s.retr(ctx, c.Number)
	return body, marked, err
}

// given tells whether the server may have given out what nobody has now, and
// may hide it once the session is ended properly.
func (s *session) given() bool { return len(s.pipe.dropped) > 0 }

// fill sends what fits into the window, beginning with c. At least one message
// is asked for behind it, whatever its size.
func (s *session) fill(ctx context.Context, c identify.Candidate) error {
	p := &s.pipe
	if !s.pipelines() || len(p.asked) == 0 && (len(p.todo) == 0 || p.todo[0].Number != c.Number) {
		return nil
	}
	var cmds []pop3.Command
	for len(p.todo) > 0 && len(p.asked) < aheadMessages && (len(p.asked) < 2 || p.octets < aheadOctets) {
		q := question{Candidate: p.todo[0]}
		p.todo = p.todo[1:]
		cmds = append(cmds, pop3.RetrCommand(q.Number))
		if marker := pop3.ConfirmCommand(s.mark(q.Entry)); p.marked && marker != (pop3.Command{}) {
			q.marked = true
			cmds = append(cmds, marker)
		}
		p.octets += max(0, q.Size)
		p.asked = append(p.asked, q)
	}
	return s.send(ctx, cmds...)
}

// send sends commands ahead.
func (s *session) send(ctx context.Context, cmds ...pop3.Command) error {
	err := s.Ahead(ctx, cmds...)
	s.pipe.deep = s.pipe.deep || s.Outstanding() > 1
	return err
}

// drop reads away what was asked for and is not wanted now.
func (s *session) drop(ctx context.Context) error {
	p := &s.pipe
	most := waste(s.Policy, 0)
	for _, q := range p.asked {
		most = max(most, waste(s.Policy, q.Size))
	}
	for s.Outstanding() > 0 {
		if err := s.Skip(ctx, most); err != nil {
			return err
		}
	}
	again := make([]identify.Candidate, 0, len(p.asked)+len(p.todo))
	for _, q := range p.asked {
		again = append(again, q.Candidate)
		p.dropped[q.Number] = true
	}
	p.todo, p.asked, p.octets = append(again, p.todo...), nil, 0
	return nil
}

// tops asks for the headers of the next messages ahead, when the i-th is about
// to be asked for.
func (s *session) tops(ctx context.Context, numbers []int, i int) error {
	if !s.pipelines() || s.noTOP || i%aheadCommands > 0 || len(numbers) == 1 {
		return nil
	}
	if err := s.drop(ctx); err != nil {
		return s.broken(err)
	}
	var cmds []pop3.Command
	for _, n := range numbers[i:min(len(numbers), i+aheadCommands)] {
		cmds = append(cmds, pop3.TopCommand(n, 0))
	}
	return s.broken(s.send(ctx, cmds...))
}

// deles asks for the next deletions ahead, when the i-th is about to be asked
// for, and behind the last one for the end of the session. More are sent when
// half of those before are answered, so that no round trip goes by unused.
func (s *session) deles(ctx context.Context, doomed []identify.Match, i int) error {
	if !s.pipelines() || i > 0 && s.Outstanding() > aheadDeletions/2 {
		return nil
	}
	from := i
	if i > 0 { // else what is outstanding are not ours
		from += s.Outstanding()
	}
	if from >= len(doomed) {
		return nil
	}
	end := min(len(doomed), i+aheadDeletions)
	var cmds []pop3.Command
	for _, m := range doomed[from:end] {
		cmds = append(cmds, pop3.DeleCommand(m.Number))
	}
	if end == len(doomed) {
		cmds = append(cmds, pop3.QuitCommand())
	}
	return s.send(ctx, cmds...)
}

// broken turns the error that ended a session into a PipelineError where that
// may be why.
func (s *session) broken(err error) error {
	if s.Err() == nil || !s.pipe.deep || err == nil {
		return err
	}
	return &PipelineError{err}
}
