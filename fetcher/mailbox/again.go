package mailbox

import (
	"context"
	"errors"
	"slices"

	"github.com/popferry/popferry/fetcher/pop3"
)

// A message number means one message for a whole session (RFC 1939 section 4), but
// there are servers that count again while other clients work in the mailbox. DELE
// would then hit a message that was never fetched. So before the first DELE the
// server is asked once more which messages the numbers mean: by UIDL, or by UIDL n
// for a few of many; without UIDL, by LIST.

// again is a question that was asked ahead, and not answered yet.
type again struct {
	asked  bool
	single []pop3.Entry // asked for one by one; nil: the whole listing
}

// AskAgain asks which messages the numbers of these entries mean, if nothing else
// is outstanding: the answer comes while something else is waited for.
func (s *Session) AskAgain(ctx context.Context, entries []pop3.Entry) error {
	if len(entries) == 0 || s.again.asked || s.madeUp || s.conn.Err() != nil || s.conn.Outstanding() > 0 {
		return nil //nolint:nilerr // a broken session shows at its next command
	}
	cmds := s.question(entries)
	if len(cmds) > 1 && (!s.pipelines() || len(cmds) > windowTops) {
		return nil // each is asked for when its answer is wanted
	}
	return s.broken(s.send(ctx, cmds...))
}

// question are the commands that ask for these entries once more.
func (s *Session) question(entries []pop3.Entry) []pop3.Command {
	s.again = again{asked: true}
	few := len(entries) <= len(s.Listing.Entries)/4 && len(entries) <= windowTops && (len(entries) == 1 || s.pipelines())
	if !few && !s.Listing.Single { // where UIDL leaves out some, it proves nothing
		return []pop3.Command{pop3.UIDsCommand()}
	}
	s.again.single = entries
	cmds := make([]pop3.Command, len(entries))
	for i, e := range entries {
		cmds[i] = pop3.UIDCommand(e.Number)
	}
	return cmds
}

// Unchanged reports whether the numbers of these entries still mean the same
// messages as in the listing.
func (s *Session) Unchanged(ctx context.Context, entries []pop3.Entry) (bool, error) {
	if s.madeUp {
		now, err := s.conn.List(ctx)
		return err == nil && sameAs(entries, now, func(a, b pop3.Entry) bool { return a.Size == b.Size }), s.ifBroken(err)
	}
	for {
		if !s.again.asked {
			if err := s.drain(ctx); err != nil {
				return false, err
			}
			if err := s.AskAgain(ctx, entries); err != nil {
				return false, err
			}
		}
		asked := s.again.single
		s.again = again{}
		now, err := s.uidsNow(ctx, asked)
		if err != nil || asked == nil || len(asked) >= len(entries) {
			return err == nil && sameAs(entries, now, func(a, b pop3.Entry) bool { return a.UID == b.UID }), s.ifBroken(err)
		}
		// Others were asked for ahead; only now it is known which are to be deleted.
	}
}

// Shifted reports whether a number of these entries means another message of the
// listing by now. It proves less than Unchanged: a server that cannot be asked, or
// gives other UIDs at each command, has not shifted anything.
func (s *Session) Shifted(ctx context.Context, entries []pop3.Entry) (bool, error) {
	if s.madeUp || len(entries) == 0 {
		return false, nil
	}
	if err := s.drain(ctx); err != nil {
		return false, err
	}
	if err := s.AskAgain(ctx, entries); err != nil {
		return false, err
	}
	asked := s.again.single
	s.again = again{}
	now, err := s.uidsNow(ctx, asked)
	if err != nil {
		return false, s.ifBroken(err)
	}
	was := make(map[string]map[int]bool, len(s.Listing.Entries)) // UIDs may be there twice
	for _, e := range s.Listing.Entries {
		if was[e.UID] == nil {
			was[e.UID] = make(map[int]bool, 1)
		}
		was[e.UID][e.Number] = true
	}
	return slices.ContainsFunc(now, func(e pop3.Entry) bool { return was[e.UID] != nil && !was[e.UID][e.Number] }), nil
}

// uidsNow reads the answers to what was asked: for these entries, or for all.
func (s *Session) uidsNow(ctx context.Context, asked []pop3.Entry) ([]pop3.Entry, error) {
	if asked == nil {
		return s.conn.UIDs(ctx)
	}
	now := make([]pop3.Entry, len(asked))
	for i, e := range asked {
		uid, err := s.conn.UID(ctx, e.Number)
		if s.conn.Err() != nil {
			return nil, err
		}
		now[i] = pop3.Entry{Number: e.Number, UID: uid}
	}
	return now, nil
}

// ifBroken is the error if it has ended the session: a refusal proves nothing, and
// the session goes on.
func (s *Session) ifBroken(err error) error {
	var refused *pop3.Error
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

// sameAs reports whether each of the entries is in the other listing as well.
func sameAs(entries, now []pop3.Entry, same func(a, b pop3.Entry) bool) bool {
	by := make(map[int]pop3.Entry, len(now))
	for _, e := range now {
		by[e.Number] = e
	}
	for _, e := range entries {
		if n, ok := by[e.Number]; !ok || !same(e, n) {
			return false
		}
	}
	return true
}
