package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// TestTroubleWithSignIns: whatever befalls the renewal of a sign-in, the poll says it,
// no message is blamed or touched, and once it is over all goes on, without anybody
// having signed in again.
func TestTroubleWithSignIns(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	began := time.Now()
	var elapsed atomic.Int64
	var trouble atomic.Pointer[func(http.ResponseWriter)]
	w := newSignedIn(t, oauthtest.Options{
		Now: func() time.Time { return began.Add(time.Duration(elapsed.Load())) },
		Answer: func(rw http.ResponseWriter, _ url.Values) bool {
			answer := trouble.Load()
			if answer != nil {
				(*answer)(rw)
			}
			return answer != nil
		},
	})
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(disk, "state", "popferry.db")
	if err := os.Mkdir(filepath.Dir(state), 0o700); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, w.config, strings.Replace(string(text), "state: popferry.db", fmt.Sprintf("state: %q", state), 1))
	w.signIn("isp", "leo@isp.test")
	w.signIn("inbox", "me@home.test")

	answers := func(answer func(http.ResponseWriter)) func() { return func() { trouble.Store(&answer) } }
	refuses := func(code, text string) func() {
		return answers(func(rw http.ResponseWriter) { oauthtest.Refuse(rw, http.StatusBadRequest, code, text) })
	}
	filler := filepath.Join(disk, "filler")
	for i, tt := range []struct {
		name  string
		begin func()
		words string
	}{
		{"the provider is down for a day", answers(func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusServiceUnavailable) }), "the provider of the sign-in cannot be reached"},
		{"the client's secret was changed", refuses("invalid_client", "AADSTS7000222: The provided client secret keys are expired."), "the provider does not accept the client"},
		{"what was allowed is withdrawn, and allowed again", refuses("invalid_grant", "AADSTS65001: no consent"), "the provider wants the user, or an administrator, to allow the access"},
		{"the disk is full", func() { _ = os.WriteFile(filler, make([]byte, 2<<20), 0o600) }, "the disk is full"}, // as much as there is room for
	} {
		w.dovecot.Seed("leo", []byte(strings.ReplaceAll(testworld.OneMail, "one", fmt.Sprint(i))))
		tt.begin()
		for range 4 {
			elapsed.Add(int64(6 * time.Hour))
			code, shown := w.run(nil, "run", "--once", "--now")
			if code == exitOK || !strings.Contains(shown, tt.words) {
				t.Errorf("%s: exit %d, want %q\n%s", tt.name, code, tt.words, shown)
			}
		}
		trouble.Store(nil)
		_ = os.Remove(filler)
		elapsed.Add(int64(2 * time.Hour)) // longer than a provider that refuses is left alone
		if code, shown := w.run(nil, "run", "--once", "--now"); code != exitOK || !strings.Contains(shown, "1 forwarded") {
			t.Errorf("after %s: exit %d\n%s", tt.name, code, shown)
		}
		if n := w.dovecot.Count("me"); n != i+1 {
			t.Errorf("after %s: %d messages have arrived, want %d", tt.name, n, i+1)
		}
		if code, shown := w.run(nil, "messages"); code != exitOK || strings.Count(shown, "forwarded") != i+1 || strings.Contains(shown, "held") || strings.Contains(shown, "deferred") {
			t.Errorf("after %s: exit %d, and a message is blamed:\n%s", tt.name, code, shown)
		}
	}
	wantHidden(t, w.provider, w.shown.String())
}
