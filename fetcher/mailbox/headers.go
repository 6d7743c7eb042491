package mailbox

import (
	"context"
	"errors"
	"io"

	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Headers reads the header of each message by TOP (RFC 1939 7) and hands it to
// each: shown is false if the server refuses. If each reports that this is not
// enough, the message is retrieved for it, and each is called once more. The
// error is that of each, or of a broken session; a *HeaderError names the message
// at which it broke. A server that gives each message once is only asked by TOP: what
// it gave out for its header would be lost.
func (s *Session) Headers(ctx context.Context, entries []pop3.Entry, each func(i int, h message.Header, shown bool) (enough bool, err error)) error {
	return s.headers(ctx, entries, false, each)
}

// HeadersToDelete is Headers for messages that are to be deleted: it also asks what
// Unchanged wants to know, without a round trip more.
func (s *Session) HeadersToDelete(ctx context.Context, entries []pop3.Entry, each func(i int, h message.Header, shown bool) (enough bool, err error)) error {
	return s.headers(ctx, entries, true, each)
}

func (s *Session) headers(ctx context.Context, entries []pop3.Entry, toDelete bool, each func(i int, h message.Header, shown bool) (enough bool, err error)) error {
	for i, e := range entries {
		if err := s.pipelineTops(ctx, entries, i, toDelete); err != nil {
			return err
		}
		for try, ask := range []asker{s.top, s.whole} {
			if try > 0 || s.skipTop { // a message is about to be given out
				if err := s.askCapa(ctx); err != nil {
					return err
				}
			}
			h, shown, err := s.header(ctx, e, ask, try == 0 && !s.skipTop)
			if err != nil {
				return &HeaderError{Entry: e, Err: err}
			}
			if enough, err := each(i, h, shown); err != nil {
				return err
			} else if enough {
				break
			}
		}
	}
	return nil
}

// pipelineTops asks for the headers of the next messages ahead, when the i-th is
// about to be asked for; with toDelete, behind the last of them which messages these
// are.
func (s *Session) pipelineTops(ctx context.Context, entries []pop3.Entry, i int, toDelete bool) error {
	if !s.pipelines() || s.skipTop || i%windowTops > 0 || len(entries) == 1 && !toDelete {
		return nil
	}
	if err := s.drain(ctx); err != nil {
		return s.broken(err)
	}
	end := min(len(entries), i+windowTops)
	var cmds []pop3.Command
	for _, e := range entries[i:end] {
		cmds = append(cmds, pop3.TopCommand(e.Number, 0))
	}
	if toDelete && end == len(entries) && !s.madeUp {
		if also := s.question(entries); len(also) <= windowTops {
			cmds = append(cmds, also...)
		}
	}
	return s.broken(s.send(ctx, cmds...))
}

// errGivenOnce: a message is not retrieved only to look at its header.
var errGivenOnce = errors.New("the server gives each message once")

// whole asks for a message of which only the header is wanted.
func (s *Session) whole(ctx context.Context, e pop3.Entry) (*pop3.Body, bool, error) {
	if s.Hides() {
		return nil, false, errGivenOnce
	}
	return s.alone(ctx, e)
}

// top asks for the header of a message, or for all of it where TOP broke the
// connection before. That ends after a time, because the network may have been
// to blame.
func (s *Session) top(ctx context.Context, e pop3.Entry) (*pop3.Body, bool, error) {
	if s.skipTop {
		return s.whole(ctx, e)
	}
	body, err := s.conn.Top(ctx, e.Number, 0)
	return body, false, err
}

// header reads a message's header, by TOP or by RETR; shown is false if the server
// refuses. Its error is that of a broken session, as is one in which a message has no
// end.
func (s *Session) header(ctx context.Context, e pop3.Entry, ask asker, byTop bool) (h message.Header, shown bool, err error) {
	body, _, err := ask(ctx, e)
	if err == nil {
		n := message.NewNormalizer(io.Discard)
		end := &emptyLine{to: n}
		_, err = (&bounded{body: body, left: s.maxDiscard(e.Size)}).WriteTo(end)
		if s.headerEnded = end.seen; err == nil {
			s.topWorks = s.topWorks || byTop
			return n.Header(), true, nil
		}
		_ = body.Close()
	}
	failure := s.conn.Err()
	if errors.Is(err, errEndless) {
		failure = err
	}
	switch {
	case failure == nil:
		return message.Header{}, false, nil
	case s.conn.Outstanding() > 0:
		return message.Header{}, false, s.broken(s.conf.Source.Error(StepTop, failure))
	case ctx.Err() == nil && byTop && !s.topWorks:
		// Whatever it was, from now on by RETR, which has to work anyway. A
		// connection that we cut ourselves proves nothing, and where TOP has
		// worked for others it is the message.
		s.conf.Facts.NoTOP.See(true, s.conf.Now)
		return message.Header{}, false, &LeftOutError{"TOP", s.conf.Source.Error(StepTop, failure)}
	}
	return message.Header{}, false, s.conf.Source.Error(StepTop, failure)
}

// HeaderEnded reports whether the header that was read last came to its end, the empty
// line behind it (RFC 1939 section 7, TOP). One that was cut short looks like that of
// another message.
func (s *Session) HeaderEnded() bool { return s.headerEnded }

// emptyLine looks for the first empty line in what is written.
type emptyLine struct {
	to     io.Writer
	filled bool // there is something in the line so far
	seen   bool
}

func (l *emptyLine) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case l.seen:
			return l.to.Write(p)
		case c == '\n':
			l.seen, l.filled = !l.filled, false
		case c != '\r':
			l.filled = true
		}
	}
	return l.to.Write(p)
}
