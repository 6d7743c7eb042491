package fetcher

import (
	"context"
	"errors"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/pop3"
)

// remove deletes what is forwarded and not to be kept, and ends the session.
// Only then, after QUIT was answered, are the deletions real (RFC 1939 6), and
// noted. After a broken session or a fault of our own nothing is deleted.
func (r *run) remove(ctx context.Context, expired []identify.Match) error {
	if r.s.Err() != nil || r.ourFaulted() {
		return nil
	}
	failpoint("forwarded")
	if r.s.pipe.deep {
		r.s.Learnt.PipelineCuts = 0 // it went well
	}
	if r.s.loose > 0 {
		r.log.Warn("not every message that was given out is on disk; the session ends without QUIT, so that the server keeps them", "messages", r.s.loose)
		return nil
	}
	if r.s.given() {
		r.log.Debug("not all that was given out was sent; the session ends without QUIT, so that the server keeps it")
		r.owes = !r.a.Policy.Keep && len(r.done) > 0 || len(expired) > 0
		return nil
	}
	doomed, err := r.doomed(ctx, expired)
	if err != nil {
		return err
	}
	if len(doomed) == 0 && !r.s.asked {
		r.s.bye(ctx)
		return nil
	}
	var ids []int64
	for i, m := range doomed {
		r.s.dele = true
		if err := r.s.deles(ctx, doomed, i); err != nil {
			return r.a.Source.error(StepDele, err)
		}
		err := r.s.Dele(ctx, m.Number)
		var refused *pop3.Error
		switch {
		case errors.As(err, &refused):
			r.log.Warn("the server refused to delete a message", "uid", shown(m.UID), "reply", refused.Text)
		case err != nil:
			return r.a.Source.error(StepDele, err)
		default:
			failpoint("dele")
			ids = append(ids, m.Known.ID)
		}
	}
	if err := r.s.Quit(ctx); err != nil {
		if len(ids) == 0 {
			return nil // nothing hung on it
		}
		return r.a.Source.error(StepQuit, err) // in doubt: what is still listed is deleted next time
	}
	if len(ids) == 0 {
		return nil
	}
	failpoint("quit")
	write, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	if err := r.lease.Deleted(write, r.Now(), ids...); err != nil {
		return r.ourFault(err)
	}
	failpoint("deleted")
	r.res.OnServer -= len(ids)
	r.row.OnServer = r.res.OnServer
	return nil
}

func (r *run) ourFaulted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ours
}

// doomed lists what is to be deleted now: what this session fetched and
// forwarded, and of earlier ones what is proven to be the same message.
func (r *run) doomed(ctx context.Context, expired []identify.Match) ([]identify.Match, error) {
	var out []identify.Match
	// others are rows whose UIDs were given to other messages: they have left.
	var others []int64
	if !r.Now().Before(r.row.LastPoll) { // else the clock contradicts the ledger
		numbers := make([]int, len(expired))
		for i, m := range expired {
			numbers[i] = m.Number
		}
		for i, m := range expired {
			if err := r.s.tops(ctx, numbers, i); err != nil {
				return nil, err
			}
			same, err := r.proven(ctx, m)
			if err != nil {
				return nil, err
			}
			if !same {
				r.log.Warn("a message that is due for deletion is not the one that was forwarded; it stays, and is new", "uid", shown(m.UID))
				others = append(others, m.Known.ID)
				continue
			}
			out = append(out, m)
		}
	}
	if len(others) > 0 {
		if err := r.lease.Deleted(ctx, r.Now(), others...); err != nil {
			return nil, r.ourFault(err)
		}
	}
	for _, m := range r.done {
		if r.a.Policy.Expired(m.Known.ForwardedAt, r.Now()) {
			out = append(out, m)
		}
	}
	return out, nil
}

// proven tells whether the message on the server is the one that the ledger
// means. A UID alone does not prove it: the header has to be the same, and
// where that has nothing to tell by, the size too.
func (r *run) proven(ctx context.Context, m identify.Match) (bool, error) {
	for _, ask := range []asking{r.s.Top0, r.s.Retr} {
		h, shown, err := r.s.header(ctx, ask, m.Entry)
		if err != nil {
			return false, err
		}
		if shown && h.Fingerprint() == m.Known.Fingerprint && (m.Known.Fingerprint != "" || identify.Matches(m.Known, "", m.Size)) {
			return true, nil
		}
	}
	return false, nil
}
