package smtp

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/popferry/popferry/forwarder"
)

// signs are what tells a positive reply to a message from one to MAIL or RCPT:
// all of them may be a 250. Enhanced codes do, 2.1.0 and 2.1.5 as against 2.0.0
// or 2.6.0 (RFC 3463 section 3.2), and so do most texts: "OK", "Accepted" and
// "OK id=1tAbCd-0001".
type signs struct {
	envelope []string // of the session's replies to MAIL and RCPT
	message  string   // of those to a message
	// tell is set once a message was answered, as long as no reply to one looks
	// like one to the envelope.
	tell atomic.Bool
}

// maxSigns bounds what is kept of a server that words each reply anew.
const maxSigns = 16

// noteEnvelope and noteMessage learn from a reply whose place is sure.
func (s *signs) noteEnvelope(r reply) {
	if sign := r.sign(); len(s.envelope) < maxSigns && !slices.Contains(s.envelope, sign) {
		s.envelope = append(s.envelope, sign)
	}
	s.tell.Store(s.tell.Load() && s.differ())
}

func (s *signs) noteMessage(r reply) {
	first := s.message == ""
	s.message = r.sign()
	s.tell.Store((first || s.tell.Load()) && s.differ())
}

func (s *signs) differ() bool {
	return len(s.envelope) < maxSigns && !slices.Contains(s.envelope, s.message)
}

// toEnvelope tells whether a reply was to MAIL or RCPT by its looks, toMessage
// whether it was to a message.
func (s *signs) toEnvelope(r reply) bool { return slices.Contains(s.envelope, r.sign()) }
func (s *signs) toMessage(r reply) bool  { return s.message != "" && r.sign() == s.message }

// sign is what a reply has in common with others to the same command: its enhanced
// code and its text, without what names a message, an address or a time.
func (r reply) sign() string {
	words := strings.Fields(r.text)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789<>@[]") {
			words[i] = "#"
		}
	}
	return r.enhanced.String() + " " + strings.Join(words, " ")
}

// misplaced ends a session in which a reply has another one's place. What was
// said to this message before may have been said to another, too: whether it
// was delivered is not known, if it went out. The server gets one command at a
// time from now on.
func (t *transaction) misplaced(ctx context.Context, stage forwarder.Stage, r reply) {
	t.s.quirk.noBDAT.Store(true)
	t.s.quirk.lockstep.Store(true)
	t.closed = nil
	for i, o := range t.out {
		if o.Kind == forwarder.Refused {
			t.out[i] = forwarder.Outcome{Recipient: o.Recipient}
		}
	}
	t.lose(ctx, stage, r.unexpected())
}
