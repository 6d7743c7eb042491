package imap_test

import (
	"testing"

	"github.com/popferry/popferry/forwarder/imaptest"
)

func TestDeliver(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Caps: []string{"UIDPLUS"}})
	p := newPool(t, s)
	m := mail("one", "hi")
	at := wantOutcome(t, p, m, "accepted dot 250 2.0.0 OK [APPENDUID 6 100] done")
	if got := at.String(); got != `"INBOX" 6 100` {
		t.Errorf("the mark is %s", got)
	}
	got := s.Messages("INBOX")
	if len(got) != 1 || string(got[0].Octets) != octets(m) {
		t.Errorf("stored: %+v", got)
	}
}
