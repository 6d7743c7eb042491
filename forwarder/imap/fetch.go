package imap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// opened is a folder that was opened to look into it.
type opened struct {
	validity uint32 // 0: the server does not say
	messages uint32
}

// open opens a folder to look into it (EXAMINE, RFC 9051 6.3.3), or by SELECT if
// labels are to be set. exists is false if the server does not let us.
func (s *session) open(name string, toChange bool) (o opened, refusal *forwarder.Outcome, err error) {
	verb := "EXAMINE "
	if toChange {
		verb = "SELECT "
	}
	c := s.command(func(r *wire.Response) error {
		switch {
		case r.Name() == "EXISTS":
			o.messages = r.Data[0].Number()
		case r.Code == "UIDVALIDITY":
			o.validity = wire.Value{Text: r.Args}.Number()
		}
		return nil
	})
	r, err := s.Run(c, verb+wire.Quote(name))
	switch {
	case err != nil:
		return opened{}, nil, err
	case r.OK():
		return o, nil, nil
	}
	out := s.outcome(r, forwarder.StageRcpt)
	return opened{}, &out, nil
}

// stored is what was fetched of a message in a folder.
type stored struct {
	uid    uint32
	size   int64
	header header
}

// set is the messages to fetch: by their UIDs, or by their numbers in the folder.
type set struct {
	text string
	uids bool
}

// since is all messages from a UID on. The last one is always among them, even if
// its UID is below (RFC 9051 9, seq-range).
func since(uid uint32) set { return set{fmt.Sprintf("%d:*", max(1, uid)), true} }

// newest is the last n messages of a folder.
func (o opened) newest(n uint32) set {
	first := uint32(1)
	if o.messages > n {
		first = o.messages - n + 1
	}
	return set{fmt.Sprintf("%d:%d", first, max(1, o.messages)), false}
}

// fetch fetches fields of the headers of messages, and passes each on as it comes,
// so that a folder of any size takes little memory. The error is the connection's,
// or an *Error for a refusal.
func (s *session) fetch(which set, fields string, each func(stored)) error {
	verb := "FETCH "
	if which.uids {
		verb = "UID FETCH "
	}
	c := &wire.Command{Wait: s.o.Timeout, Streams: true, Data: func(r *wire.Response) error {
		if r.Name() == "FETCH" && len(r.Data) > 2 {
			if m, ok := newStored(r.Data[2].List); ok {
				each(m)
			}
		}
		return nil
	}}
	r, err := s.Run(c, verb+which.text+" (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS ("+fields+")])")
	switch {
	case err != nil:
		return failed(forwarder.StageRcpt, err)
	case !r.OK():
		return refused(s.outcome(r, forwarder.StageRcpt))
	}
	return nil
}

// newStored reads the attributes of a message. ok is false for what a server says
// unasked, as of new flags.
func newStored(list []wire.Value) (m stored, ok bool) {
	for name, v := range wire.Attributes(list) {
		switch {
		case name == "UID":
			m.uid = v.Number()
		case name == "RFC822.SIZE":
			m.size, _ = strconv.ParseInt(v.Text, 10, 64)
		case strings.HasPrefix(name, "BODY[HEADER"):
			m.header, ok = header(v.Text), true
		}
	}
	return m, ok
}

// mostFound is how many of the messages that a search finds are looked at.
const mostFound = 100

// search runs UID SEARCH (RFC 9051 6.4.4) and returns what it finds. Servers that do
// not search, or not for this, find nothing.
func (s *session) search(criteria string) (found set, err error) {
	c := s.command(func(r *wire.Response) error {
		switch r.Name() {
		case "SEARCH": // RFC 3501 7.2.5
			found = exactly(numbers(r.Data[1:]))
		case "ESEARCH": // RFC 9051 7.3.4: ESEARCH (TAG "a1") UID ALL 4,7:9
			if i := slices.IndexFunc(r.Data, func(v wire.Value) bool { return strings.EqualFold(v.Text, "ALL") }); i >= 0 && i+1 < len(r.Data) {
				found = set{clean(r.Data[i+1].Text), true}
			}
		}
		return nil
	})
	_, err = s.Run(c, "UID SEARCH "+criteria)
	return found, err
}

// numbers are the first few numbers of a list.
func numbers(list []wire.Value) []uint32 {
	var out []uint32
	for _, v := range list {
		if n := v.Number(); n > 0 && len(out) < mostFound {
			out = append(out, n)
		}
	}
	return out
}

// clean is a set of numbers as a server wrote it, "" if it is none, or a long one.
func clean(text string) string {
	const longest = 1000
	if len(text) > longest || strings.Trim(text, "0123456789,:") != "" {
		return ""
	}
	return text
}

// exactly is a few messages by their UIDs; none: no text.
func exactly(uids []uint32) set {
	var texts []string
	for _, uid := range uids {
		texts = append(texts, strconv.FormatUint(uint64(uid), 10))
	}
	return set{strings.Join(texts, ","), true}
}
