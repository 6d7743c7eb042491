package sqlite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// What is kept of a message only while the user may have to decide is gone from the
// file, its free pages included, once the message was forwarded.
func TestForwardedMessagesLeaveNoSubject(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := create(t, path)
	l := lease(t, s)
	var recs []*ledger.Record
	for i := range 200 {
		r := held(fmt.Sprintf("uid-%d", i))
		r.Excerpt = ledger.Excerpt{From: fmt.Sprintf("marked-sender-%d@example.net", i), Subject: "marked-subject " + strings.Repeat("long ", i*20)}
		r.Cause = ledger.Cause{Code: "rejected", Text: "marked-reply"}
		recs = append(recs, r)
	}
	put := func() {
		t.Helper()
		if err := l.Put(t.Context(), recs...); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for _, r := range recs {
		r.State, r.Excerpt, r.Cause = ledger.Forwarded, ledger.Excerpt{}, ledger.Cause{}
	}
	put()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		octets, err := os.ReadFile(file)
		if err != nil {
			continue // the folder of the locks
		}
		read += len(octets)
		for _, what := range []string{"marked-sender", "marked-subject", "marked-reply", "long long"} {
			if n := bytes.Count(octets, []byte(what)); n > 0 {
				t.Errorf("%s: %q stands there %d times after the messages were forwarded", filepath.Base(file), what, n)
			}
		}
	}
	if read < 10_000 {
		t.Errorf("only %d octets were looked at", read)
	}
}
