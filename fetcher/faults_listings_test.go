package fetcher_test

import (
	"sync"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// shown is a line of a listing, and the message that it means.
type shown struct{ uid, octets string }

// listings are what the server has listed.
type listings struct {
	mu      sync.Mutex
	session int // the last one with a listing
	last    []shown
	uids    map[string]string // the last one of each message, by its octets
}

// note notes the first listing of a session.
func (l *listings) note(s *pop3test.Session, all []shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Number <= l.session {
		return
	}
	l.session, l.last = s.Number, all
	if l.uids == nil {
		l.uids = make(map[string]string)
	}
	for _, m := range all {
		l.uids[m.octets] = m.uid
	}
}

// uidOf is the UID under which a message was listed last.
func (c *chaos) uidOf(m pop3test.Message) string {
	if uid := c.lists.uidOf(string(m.Octets)); uid != "" && c.odd {
		return uid
	}
	return m.UID
}

func (l *listings) uidOf(octets string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uids[octets]
}

// wantAllAccountedFor: after a poll that ended well, each message of its last
// listing has a row, or the poll says that it waits.
func (c *chaos) wantAllAccountedFor(r fetcher.Result) {
	if r.Err != nil || r.Skip != fetcher.NotSkipped {
		return
	}
	rows := byUID(c.rows())
	c.lists.mu.Lock()
	defer c.lists.mu.Unlock()
	var unknown []string
	for _, m := range c.lists.last {
		if len(rows[m.uid]) == 0 {
			unknown = append(unknown, c.mail.name(m.octets)+" under "+m.uid)
		}
	}
	if len(unknown) > r.Waiting+r.Postponed {
		c.t.Errorf("the poll ended well with %d waiting, but the ledger does not know what session %d listed: %v", r.Waiting, c.lists.session, unknown)
	}
}
