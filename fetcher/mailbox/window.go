package mailbox

import (
	"context"

	"github.com/popferry/popferry/fetcher/pop3"
)

// A distant server's answer to RETR takes a round trip, during which nothing
// moves. Where the server offers PIPELINING (RFC 2449 6.6), messages are asked
// for before it is their turn. That must not cost:
//
//   - Framing. A message that ends too early, because its server did not stuff a
//     dot, would deliver its rest as the next message. So a message that is not
//     exactly as long as listed is not taken while others are outstanding: they
//     are discarded, and from then on a sentinel is asked for behind each message.
//   - Hidden mail. Where RETR hides or deletes, nothing is pipelined. As this is
//     not known of a server before it was seen, a session is not ended by QUIT
//     while something was given out and not sent (custody.go).
//   - A server that cannot do it after all. What breaks while more than one
//     command is outstanding is not a message's fault: the session is repeated
//     without (PipelineError).

const (
	// windowOctets is how much is pipelined, by listed sizes: enough for 100
	// Mbit/s over 150 ms. It is also what may have to be read for nothing when a
	// poll is stopped.
	windowOctets = 2 << 20
	// windowMessages is the same as a number, within pop3.MaxAhead with sentinels.
	windowMessages = 100
	// windowTops is how many TOPs are sent at a time.
	windowTops = 128
	// windowDeletions is how many DELEs are; their answers are small. QUIT still
	// has room behind them.
	windowDeletions = pop3.MaxAhead - 1
)

// window is what is pipelined: the messages that the session is to retrieve, in
// their order.
type window struct {
	closed    bool         // nothing is pipelined
	sentinels bool         // a sentinel is asked for behind each message
	todo      []pop3.Entry // not asked for yet
	asked     []request
	octets    int64 // of what is asked for, as listed
	pipelined bool  // more than one command was outstanding in this session
}

// request is a message that was asked for.
type request struct {
	pop3.Entry
	sentinel bool
}

// pipelines reports whether commands may be sent ahead of the answers.
func (s *Session) pipelines() bool {
	return !s.window.closed && s.conn.Capabilities().Pipelining() && !s.Hides()
}

// Expect says which messages will be retrieved, in this order.
func (s *Session) Expect(entries []pop3.Entry) { s.window.todo = entries }

// ExpectNoMore forgets what was expected and not asked for yet. It returns the
// numbers of the messages that were asked for: they are read in any case.
func (s *Session) ExpectNoMore() map[int]bool {
	s.window.todo = nil
	asked := make(map[int]bool, len(s.window.asked))
	for _, r := range s.window.asked {
		asked[r.Number] = true
	}
	return asked
}

// Discard forgets what was expected and reads away what was asked for: nothing
// more will be retrieved. Its error is that of a broken session.
func (s *Session) Discard(ctx context.Context) error {
	s.window.todo = nil
	if s.conn.Err() != nil || len(s.window.asked) == 0 && s.custody.quitSafe() {
		return nil //nolint:nilerr // a broken session ends without QUIT anyway
	}
	return s.broken(s.drain(ctx))
}

// next asks for a message and for those behind it, or claims it if it was asked
// for before. sentinel reports whether a sentinel follows.
func (s *Session) next(ctx context.Context, e pop3.Entry) (body *pop3.Body, sentinel bool, err error) {
	w := &s.window
	if len(w.asked) > 0 && w.asked[0].Number != e.Number {
		if err := s.drain(ctx); err != nil {
			return nil, false, err
		}
	}
	if err := s.fill(ctx, e); err != nil {
		return nil, false, err
	}
	if len(w.asked) > 0 {
		sentinel = w.asked[0].sentinel
		w.octets -= max(0, e.Size)
		w.asked = w.asked[1:]
	}
	s.custody.wanted(e.Number)
	body, err = s.retr(ctx, e.Number)
	return body, sentinel, err
}

// fill pipelines what fits into the window, beginning with e. At least one
// message is asked for behind it, whatever its size.
func (s *Session) fill(ctx context.Context, e pop3.Entry) error {
	w := &s.window
	if !s.pipelines() || len(w.asked) == 0 && (len(w.todo) == 0 || w.todo[0].Number != e.Number) {
		return nil
	}
	var cmds []pop3.Command
	for len(w.todo) > 0 && len(w.asked) < windowMessages && (len(w.asked) < 2 || w.octets < windowOctets) {
		r := request{Entry: w.todo[0]}
		w.todo = w.todo[1:]
		cmds = append(cmds, pop3.RetrCommand(r.Number))
		if sentinel := pop3.ConfirmCommand(s.sentinel(r.Entry)); w.sentinels && sentinel != (pop3.Command{}) {
			r.sentinel = true
			cmds = append(cmds, sentinel)
		}
		w.octets += max(0, r.Size)
		w.asked = append(w.asked, r)
	}
	return s.send(ctx, cmds...)
}

// sentinel is the entry whose UIDL or LIST reply shows where the session stands.
func (s *Session) sentinel(e pop3.Entry) pop3.Entry {
	if s.madeUp {
		e.UID = ""
	}
	return e
}

// send sends commands ahead of the answers.
func (s *Session) send(ctx context.Context, cmds ...pop3.Command) error {
	err := s.conn.Ahead(ctx, cmds...)
	s.window.pipelined = s.window.pipelined || s.conn.Outstanding() > 1
	return err
}

// drain reads and discards what was asked for and is not wanted now. The messages
// among it are to be asked for again.
func (s *Session) drain(ctx context.Context) error {
	w := &s.window
	most := s.maxDiscard(0)
	for _, r := range w.asked {
		most = max(most, s.maxDiscard(r.Size))
	}
	for s.conn.Outstanding() > 0 {
		if err := s.conn.Skip(ctx, most); err != nil {
			return err
		}
	}
	todo := make([]pop3.Entry, 0, len(w.asked)+len(w.todo))
	for _, r := range w.asked {
		todo = append(todo, r.Entry)
		s.custody.abandoned(r.Number)
	}
	w.todo, w.asked, w.octets = append(todo, w.todo...), nil, 0
	s.again = again{}
	return nil
}

// broken turns the error that ended a session into a PipelineError where the
// pipelining may be why.
func (s *Session) broken(err error) error {
	if err == nil || s.conn.Err() == nil || !s.window.pipelined || s.leftOut != "" || pop3.OverBudget(err) {
		return err
	}
	return &PipelineError{err}
}
