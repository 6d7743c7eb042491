package fetcher

import "context"

// When a poll has to stop, there are messages that their server has given out
// and that were not sent: those that wait for the destination, and those that
// were asked for ahead. Nobody knows of a server that hides or deletes what was
// retrieved before it was seen to do so, and it may do it when the session is
// ended properly. So the session is not ended properly then. Its deletions are
// made in another one, in which nothing is fetched (sweep).

// leaveOff notes a message that was not sent.
func (r *run) leaveOff(m *fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsent = append(r.unsent, m.Number)
}

// salvage takes care of what was given out and not sent.
func (r *run) salvage(ctx context.Context) error {
	p := &r.s.pipe
	p.todo = nil
	for _, n := range r.unsent {
		p.dropped[n] = true
	}
	r.unsent = nil
	if r.s.Err() != nil || len(p.asked)+len(p.dropped) == 0 {
		return nil //nolint:nilerr // the session that is broken ends without QUIT anyway
	}
	return r.s.broken(r.s.drop(ctx))
}

// sweep makes the deletions of a session that could not be ended.
func (r *run) sweep(ctx context.Context) {
	if !r.owes || r.ourFaulted() || r.gap() > 0 || r.ending(ctx) {
		return
	}
	r.sweeping = true
	if _, err := r.guarded(ctx); err != nil {
		r.stop(err, false)
	}
}
