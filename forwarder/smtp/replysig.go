package smtp

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/popferry/popferry/forwarder"
)

// replySignatures tell a positive reply to a message from one to MAIL or RCPT:
// all of them may be a 250. The enhanced codes differ, 2.1.0 and 2.1.5 as
// against 2.0.0 or 2.6.0 (RFC 3463 3.2), and so do most texts: "OK", "Accepted"
// and "OK id=1tAbCd-0001".
type replySignatures struct {
	envelope []string // of the session's replies to MAIL and RCPT
	message  string   // of its replies to a message
	// distinguishable is set once a message was answered, as long as no reply to
	// a message looks like one to the envelope.
	distinguishable atomic.Bool
}

// maxSignatures bounds what is kept of a server that words each reply in
// another way.
const maxSignatures = 16

// noteEnvelope and noteMessage learn from a reply whose command is certain.
func (s *replySignatures) noteEnvelope(r reply) {
	if sig := r.signature(); len(s.envelope) < maxSignatures && !slices.Contains(s.envelope, sig) {
		s.envelope = append(s.envelope, sig)
	}
	s.distinguishable.Store(s.distinguishable.Load() && s.differ())
}

func (s *replySignatures) noteMessage(r reply) {
	first := s.message == ""
	s.message = r.signature()
	s.distinguishable.Store((first || s.distinguishable.Load()) && s.differ())
}

// mayDiffer reports whether a reply to a message can be told from one to the
// envelope, as far as is known.
func (s *replySignatures) mayDiffer() bool { return s.message == "" || s.distinguishable.Load() }

func (s *replySignatures) differ() bool {
	return len(s.envelope) < maxSignatures && !slices.Contains(s.envelope, s.message)
}

// ofEnvelope reports whether a reply looks like one to MAIL or RCPT, ofMessage
// whether it looks like one to a message.
func (s *replySignatures) ofEnvelope(r reply) bool { return slices.Contains(s.envelope, r.signature()) }
func (s *replySignatures) ofMessage(r reply) bool {
	return s.message != "" && r.signature() == s.message
}

// signature is what a reply has in common with others to the same command: its
// enhanced code and its text, without the words that name a message, an address
// or a time.
func (r reply) signature() string {
	words := strings.Fields(r.said)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789<>@[]") {
			words[i] = "#"
		}
	}
	return r.enhanced.String() + " " + strings.Join(words, " ")
}

// desync ends a session in which a reply came that belongs to another command.
// Earlier replies to this message may have belonged to another one, too, so if
// it was sent, nobody knows whether it was delivered. From now on the server
// gets one command at a time. Where it got that already, its replies may only look
// alike, and it does without BDAT for a while.
func (t *transaction) desync(ctx context.Context, stage forwarder.Stage, r reply) {
	if t.alone {
		t.s.quirk.Suspect(noBDAT)
	} else {
		t.s.quirk.Prove(noBDAT)
		t.s.quirk.Prove(noPipelining)
	}
	t.closed421 = nil
	for i, o := range t.out {
		if o.Kind == forwarder.Refused {
			t.out[i] = forwarder.Outcome{Recipient: o.Recipient}
		}
	}
	t.lose(ctx, stage, r.unexpected())
}
