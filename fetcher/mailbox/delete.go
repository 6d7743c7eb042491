package mailbox

import (
	"context"
	"errors"

	"github.com/popferry/popferry/fetcher/pop3"
)

// Delete marks messages as deleted (RFC 1939 5, DELE) and ends the session by
// QUIT, which makes the deletions real (RFC 1939 6). It returns the indexes of
// those that the server took. answered is called after each answer, with the
// refusal if it was one. After an error it is not known which messages are
// deleted: those that are still listed next time are not.
//
// With nothing to delete it only ends the session, without waiting for the
// answer if nothing depends on it.
func (s *Session) Delete(ctx context.Context, entries []pop3.Entry, answered func(i int, refused *pop3.Error)) (deleted []int, err error) {
	if len(entries) == 0 && (!s.custody.retrieved || s.keepsForSure()) {
		_ = s.conn.Ahead(ctx, pop3.QuitCommand())
		_ = s.conn.Close()
		return nil, nil
	}
	if s.again.asked { // and nothing turned out to depend on the answer
		if err := s.drain(ctx); err != nil {
			return nil, s.conf.Source.Error(StepQuit, err)
		}
	}
	for i, e := range entries {
		s.custody.deleting = true
		if err := s.pipelineDeletions(ctx, entries, i); err != nil {
			return nil, s.conf.Source.Error(StepDele, err)
		}
		err := s.conn.Dele(ctx, e.Number)
		var refused *pop3.Error
		switch {
		case errors.As(err, &refused):
		case err != nil:
			return nil, s.conf.Source.Error(StepDele, err)
		default:
			deleted = append(deleted, i)
		}
		answered(i, refused)
	}
	err = s.conn.Quit(ctx)
	if err != nil && len(deleted) > 0 {
		return nil, s.conf.Source.Error(StepQuit, err)
	}
	s.quit = err == nil
	return deleted, nil
}

// keepsForSure reports whether the server is known to list messages after they were
// retrieved, as two polls have seen, one of them within a day. Else the answer to QUIT
// is waited for: without it, what the next listing has shows nothing.
func (s *Session) keepsForSure() bool {
	keeps := s.conf.Facts.RetrKeeps
	return keeps.Sure(s.conf.Now) && keeps.Recent(s.conf.Now) && !s.Hides()
}

// pipelineDeletions asks for the next deletions ahead, when the i-th is about to
// be asked for, and behind the last one for the end of the session. More are
// sent when half of those before are answered, so that no round trip is wasted.
func (s *Session) pipelineDeletions(ctx context.Context, entries []pop3.Entry, i int) error {
	if !s.pipelines() || i > 0 && s.conn.Outstanding() > windowDeletions/2 {
		return nil
	}
	from := i
	if i > 0 { // else what is outstanding are not deletions
		from += s.conn.Outstanding()
	}
	if from >= len(entries) {
		return nil
	}
	end := min(len(entries), i+windowDeletions)
	var cmds []pop3.Command
	for _, e := range entries[from:end] {
		cmds = append(cmds, pop3.DeleCommand(e.Number))
	}
	if end == len(entries) {
		cmds = append(cmds, pop3.QuitCommand())
	}
	return s.send(ctx, cmds...)
}
