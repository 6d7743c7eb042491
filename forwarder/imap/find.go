package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// Found is where a message lies.
type Found struct {
	Folder string // as the server writes it
	UID    uint32 // 0: the server did not say
}

const (
	// wholeFolder is how many messages, the newest ones, are looked through where a
	// mark is of no use.
	wholeFolder = 100_000
	// lookAround is how many of the newest messages of \Junk and \Trash are looked
	// through: somebody, or a rule, may have moved the message there.
	lookAround = 500
	// soughtFields are what messages are told by.
	soughtFields = forwarder.TraceField + " MESSAGE-ID"
)

// Find looks for messages that may have been stored, and returns those that were,
// by their trace. Only the trace tells a message: others may have its Message-ID.
//
// It looks into each folder where they were to lie, from the marks on, in one pass,
// and then for the rest into those for all mail, junk and trash (RFC 6154). Without
// an error, what was not found lies in none of the first, and most likely not in the
// others, where the server searches; servers find nothing by headers that lie there.
// With an error, which is an *Error if it is about the server, what was found is
// still true, and of the rest nothing is known.
func (p *Pool) Find(ctx context.Context, sought []forwarder.Sought) (map[string]Found, error) {
	f := &finder{found: make(map[string]Found), left: make(map[string]forwarder.Sought)}
	for _, m := range sought {
		if m.Trace != "" {
			f.left[m.Trace] = m
		}
	}
	if len(f.left) == 0 {
		return f.found, nil
	}
	err := p.with(ctx, func(s *session) error {
		f.s = s
		places, err := f.places(p)
		if err != nil {
			return failed(forwarder.StageRcpt, err)
		}
		for name, from := range places {
			if err := f.lookInto(name, from); err != nil {
				return err
			}
		}
		return f.lookElsewhere(p.server)
	})
	return f.found, err
}

// Traces returns the traces of the messages that lie in a folder ("": the usual one), and of the newest
// ones in those for all mail, junk and trash (RFC 6154): of messages that were stored,
// but are not known to have been. Errors are as those of Find.
func (p *Pool) Traces(ctx context.Context, folder string) (map[string]bool, error) {
	traces := make(map[string]bool)
	err := p.with(ctx, func(s *session) error {
		name, err := p.server.nameOf(s, p.folder(folder, s.caps()))
		if err != nil {
			return failed(forwarder.StageRcpt, err)
		}
		if err := s.traces(name, wholeFolder, traces); err != nil {
			return err
		}
		special, err := p.server.specialFolders(s)
		if err != nil {
			return failed(forwarder.StageRcpt, err)
		}
		for _, use := range []string{`\All`, `\Junk`, `\Trash`} {
			if name := special[use]; name != "" {
				if err := onlyBroken(s.traces(name, lookAround, traces)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return traces, err
}

// traces adds those of the newest messages in a folder.
func (s *session) traces(name string, most uint32, to map[string]bool) error {
	o, err := s.openToLook(name)
	if err != nil || o.messages == 0 {
		return err
	}
	return s.fetch(o.newest(most), forwarder.TraceField, func(m stored) {
		for id := range m.header.traces() {
			to[id] = true
		}
	})
}

// openToLook opens a folder without making it. One that is gone has no messages.
func (s *session) openToLook(name string) (opened, error) {
	o, refusal, err := s.open(name, false)
	switch {
	case err != nil:
		return opened{}, failed(forwarder.StageRcpt, err)
	case refusal != nil && refusal.Enhanced == noSuchFolder:
		return opened{}, nil
	case refusal != nil:
		return opened{}, refused(*refusal)
	}
	return o, nil
}

// finder looks for messages on a session.
type finder struct {
	s     *session
	left  map[string]forwarder.Sought // by trace
	found map[string]Found
}

// places are the folders where the messages were to lie, and from where on: all of
// their own one where that was not noted.
func (f *finder) places(pool *Pool) (map[string]forwarder.Place, error) {
	first := make(map[string]forwarder.Place)
	for _, m := range f.left {
		p := m.Mark.Folder
		if p.Name == "" {
			name, err := pool.server.nameOf(f.s, pool.folder(m.Folder, f.s.caps()))
			if err != nil {
				return nil, err
			}
			p = forwarder.Place{Name: name}
		}
		if earlier, ok := first[p.Name]; ok {
			p = earliest(earlier, p)
		}
		first[p.Name] = p
	}
	return first, nil
}

// earliest is from where on both of two places of a folder are: from its beginning
// if its UIDs have changed their meaning between them (RFC 9051 2.3.1.1).
func earliest(a, b forwarder.Place) forwarder.Place {
	if a.Validity != b.Validity {
		return forwarder.Place{Name: a.Name}
	}
	a.Next = min(a.Next, b.Next)
	return a
}

// from is the messages from a place on: all of the open folder if the UIDs have
// changed their meaning since, or are not known.
func (o opened) from(p forwarder.Place) set {
	if p.Next > 0 && p.Validity > 0 && p.Validity == o.validity {
		return since(p.Next)
	}
	return o.newest(wholeFolder)
}

// lookInto looks into a folder from a place on.
func (f *finder) lookInto(name string, from forwarder.Place) error {
	o, err := f.s.openToLook(name)
	if err != nil || o.messages == 0 {
		return err
	}
	return f.look(name, o.from(from))
}

// look fetches what messages are told by, and compares.
func (f *finder) look(name string, which set) error {
	return f.s.fetch(which, soughtFields, func(m stored) {
		for id := range m.header.traces() {
			if _, ok := f.left[id]; ok {
				delete(f.left, id)
				f.found[id] = Found{name, m.uid}
			}
		}
	})
}

// lookElsewhere looks for the rest where it may have been moved. What the server
// does not let us see there is no error.
func (f *finder) lookElsewhere(v *server) error {
	if len(f.left) == 0 {
		return nil
	}
	special, err := v.specialFolders(f.s)
	if err != nil {
		return failed(forwarder.StageRcpt, err)
	}
	for _, use := range []string{`\All`, `\Junk`, `\Trash`} {
		name := special[use]
		if name == "" || len(f.left) == 0 {
			continue
		}
		o, refusal, err := f.s.open(name, false)
		switch {
		case err != nil:
			return failed(forwarder.StageRcpt, err)
		case refusal != nil || o.messages == 0:
			continue
		}
		if err := f.lookAround(name, use, o); err != nil {
			return err
		}
	}
	return nil
}

// lookAround looks into an open folder: into what is new there, and by searching.
func (f *finder) lookAround(name, use string, o opened) error {
	which := o.newest(lookAround)
	if from := f.allSince(name, o.validity); use == `\All` && from > 0 {
		which = since(from)
	}
	if err := onlyBroken(f.look(name, which)); err != nil {
		return err
	}
	for _, id := range f.rest() {
		for _, criteria := range f.criteria(f.left[id]) {
			hits, err := f.s.search(criteria)
			if err != nil {
				return failed(forwarder.StageRcpt, err)
			}
			if hits.text == "" {
				continue
			}
			if err := onlyBroken(f.look(name, hits)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rest are the traces that were not found, in a fixed order.
func (f *finder) rest() []string {
	ids := make([]string, 0, len(f.left))
	for id := range f.left {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// onlyBroken drops a refusal, after which the session stands.
func onlyBroken(err error) error {
	if e := failed(forwarder.StageRcpt, err); err == nil || e.Code != 0 {
		return nil
	}
	return err
}

// allSince is the first UID in the folder of all mail that any of the rest may have;
// 0: not known.
func (f *finder) allSince(name string, validity uint32) uint32 {
	var first uint32
	for _, m := range f.left {
		p := m.Mark.All
		if p.Name != name || p.Next == 0 || p.Validity == 0 || p.Validity != validity {
			return 0
		}
		if first == 0 || p.Next < first {
			first = p.Next
		}
	}
	return first
}

// criteria are the searches for a message. Gmail's index knows Message-IDs better
// than HEADER does.
func (f *finder) criteria(m forwarder.Sought) []string {
	var out []string
	if wire.Quotable(m.Trace) {
		out = append(out, "HEADER "+forwarder.TraceField+" "+wire.Quote(m.Trace))
	}
	if id := strings.Trim(m.MessageID, "<>"); f.s.caps().Gmail() && id != "" && wire.Quotable(id) && !strings.ContainsAny(id, ` "`) {
		out = append(out, "X-GM-RAW "+wire.Quote("rfc822msgid:"+id))
	}
	return out
}
