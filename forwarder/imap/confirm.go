package imap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// Placed is a message that the server has accepted.
type Placed struct {
	Mark      forwarder.Mark // what begin was given for it
	Trace     string         // the id in its trace line
	MessageID string         // with angle brackets; "": none
	Date      string         // its Date field, without the name
	From      string         // its From field, without the name
	Received  string         // the same, of the newest Received field below popferry's; "": none
	// Size is the number of its octets without popferry's own lines.
	Size int64
	// Label is the folder that its account names, which at Gmail is a label beside
	// the one that it lies in; "": none.
	Label string
}

// Fate is where a message is that the server has accepted.
type Fate uint8

const (
	// Kept: it lies there, or nothing shows that it does not.
	Kept Fate = iota + 1
	// Merged: the server kept the body of an earlier message with this Message-ID
	// instead. Date, From, the last delivery and size are the same.
	Merged
	// Replaced: the same, but the other body differs. This one is not there.
	Replaced
	// Missing: neither it nor its Message-ID was found.
	Missing
)

var fates = [...]string{Kept: "kept", Merged: "merged", Replaced: "replaced", Missing: "missing"}

// String names the fate in lower case.
func (f Fate) String() string {
	if int(f) < len(fates) && fates[f] != "" {
		return fates[f]
	}
	return fmt.Sprintf("fate %d", uint8(f))
}

// confirmFields are what a message is told by, and its copies.
const confirmFields = soughtFields + " " + forwarder.AccountField + " DATE FROM RECEIVED"

// confirm asks Gmail (X-GM-EXT-1) for messages that it has accepted, in
// one pass over each folder, and sets their labels. Gmail keeps one body for a
// Message-ID: the first one. Other servers keep what they accept, and are not asked:
// there everything is Kept.
//
// The fates are in the order of placed. The error is an *Error if it is about the
// server; then nothing is known. labels are the errors, each a *LabelError, of labels
// that could not be set on messages that have arrived.
func (s *session) confirm(placed []Placed) (fates []Fate, labels map[string]error, err error) {
	fates = slices.Repeat([]Fate{Kept}, len(placed))
	if !s.caps().Gmail() {
		return fates, nil, nil
	}
	c := newConfirmer(s, placed, fates)
	if err := c.run(); err != nil {
		return nil, nil, err
	}
	return fates, c.failed, nil
}

// LabelError is for labels that could not be set on messages that have arrived.
type LabelError struct {
	Label string
	Err   error
}

// Error names the label and the reason.
func (e *LabelError) Error() string { return fmt.Sprintf("label %q: %v", e.Label, e.Err) }

// Unwrap returns the reason.
func (e *LabelError) Unwrap() error { return e.Err }

// confirmer reads messages back.
type confirmer struct {
	s       *session
	placed  []Placed
	fates   []Fate
	uids    []uint32       // of those that were found
	others  []stored       // what has their Message-ID, without their trace
	byTrace map[string]int // the messages by their traces
	byID    map[string][]int
	failed  map[string]error // labels that could not be set
}

func newConfirmer(s *session, placed []Placed, fates []Fate) *confirmer {
	c := &confirmer{
		s: s, placed: placed, fates: fates, uids: make([]uint32, len(placed)), others: make([]stored, len(placed)),
		byTrace: make(map[string]int), byID: make(map[string][]int), failed: make(map[string]error),
	}
	for i, p := range placed {
		c.fates[i] = Missing
		if p.Trace != "" {
			c.byTrace[p.Trace] = i
		}
		if p.MessageID != "" {
			c.byID[p.MessageID] = append(c.byID[p.MessageID], i)
		}
	}
	return c
}

// run looks into each folder, judges, and sets labels.
func (c *confirmer) run() error {
	var folders []string
	for _, p := range c.placed {
		if !slices.Contains(folders, p.Mark.Folder.Name) {
			folders = append(folders, p.Mark.Folder.Name)
		}
	}
	for _, name := range folders {
		if err := c.readBack(name); err != nil {
			return err
		}
		for i, p := range c.placed {
			if p.Mark.Folder.Name == name && c.fates[i] == Missing && c.others[i].uid > 0 {
				c.fates[i], c.uids[i] = p.fate(c.others[i]), c.others[i].uid
			}
		}
		if err := c.setLabels(name); err != nil {
			return failed(forwarder.StageRcpt, err)
		}
	}
	return nil
}

// readBack fetches what was appended to a folder, and leaves that open.
func (c *confirmer) readBack(name string) error {
	var place forwarder.Place
	labels := false
	for _, p := range c.placed {
		if p.Mark.Folder.Name != name {
			continue
		}
		labels = labels || p.Label != ""
		if place.Name == "" {
			place = p.Mark.Folder
		}
		place = earliest(place, p.Mark.Folder)
	}
	o, refusal, err := c.s.open(name, labels)
	switch {
	case err != nil:
		return failed(forwarder.StageRcpt, err)
	case refusal != nil:
		return refused(*refusal)
	case o.messages == 0:
		return nil
	}
	return c.s.fetch(o.from(place), confirmFields, c.take)
}

// take compares a message with those that were accepted.
func (c *confirmer) take(m stored) {
	ours := false
	for id := range m.header.traces() {
		if i, ok := c.byTrace[id]; ok {
			c.fates[i], c.uids[i], ours = Kept, m.uid, true
		}
	}
	for _, i := range c.byID[m.header.get("Message-ID")] {
		if (!ours || c.fates[i] != Kept) && c.placed[i].fate(c.others[i]) != Merged {
			c.others[i] = m
		}
	}
}

// fate is what it means that another body has the message's Message-ID. Somebody may
// have sent that to the inbox first, to keep this one out: Date and From are known to
// all who got the message, and fields that look like popferry's make any size right.
// What the mailbox's own server wrote into its Received field is not known to them.
func (p Placed) fate(other stored) Fate {
	same := func(field, body string) bool {
		return other.header.get(field) == strings.Join(strings.Fields(body), " ")
	}
	if same("Date", p.Date) && same("From", p.From) && other.header.delivery() == p.Received && other.size-other.header.traceSize() == p.Size {
		return Merged
	}
	return Replaced
}

// setLabels sets the labels of messages in the open folder. One that the server
// refuses is noted, and the others are set.
func (c *confirmer) setLabels(name string) error {
	byLabel := make(map[string][]uint32)
	for i, p := range c.placed {
		if p.Label != "" && p.Mark.Folder.Name == name && c.uids[i] > 0 && c.fates[i] != Replaced {
			byLabel[p.Label] = append(byLabel[p.Label], c.uids[i])
		}
	}
	for label, uids := range byLabel {
		onServer := wire.EncodeUTF7(label)
		store := "UID STORE " + exactly(uids).text + " +X-GM-LABELS.SILENT (" + wire.Quote(onServer) + ")"
		r, err := c.s.Do(store)
		if err == nil && !r.OK() && c.s.o.CreateFolder {
			var refusal *forwarder.Outcome
			if refusal, err = c.s.create(onServer); err == nil && refusal == nil {
				r, err = c.s.Do(store)
			}
		}
		if err != nil {
			return err
		}
		if !r.OK() {
			c.failed[label] = &LabelError{label, refused(c.s.outcome(r, forwarder.StageRcpt))}
		}
	}
	return nil
}
