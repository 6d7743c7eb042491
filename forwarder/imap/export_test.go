package imap

import "context"

// Confirm reads messages back on a session of its own.
func (p *Pool) Confirm(ctx context.Context, placed []Placed) (fates []Fate, err error) {
	err = p.with(ctx, func(s *session) (err error) {
		fates, _, err = s.confirm(placed)
		return err
	})
	return fates, err
}
