//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
)

var (
	soakFor     = flag.Duration("soak", 20*time.Second, "how long TestSoak goes on")
	soakSamples = flag.String("soak-samples", "", "the `file` that TestSoak writes its samples to, as CSV; its log goes beside it")
)

const soakAccounts = 50

// soak is a daemon of its own with fifty mailboxes, to which everything happens
// that does in years: both servers go away and come back, its configuration is
// changed again and again, not always for the better, and another program keeps
// a mailbox to itself. All the time mail arrives.
type soak struct {
	*testing.T
	source  *realserver.Dovecot
	sink    *soakSink
	daemon  *process
	journal *journal
	meter   *soakMeter
	config  soakConfig

	letters map[[sha256.Size]byte]bool // that were put into mailboxes
	count   [soakAccounts]int          // of them, by account
	down    bool                       // the source
	lock    *mailboxLock               // nil: no other client locks a mailbox
	reloads int                        // that were asked for
	answers int                        // to them when the last one was asked for
}

// Nothing is lost, nothing comes twice except what was in doubt, and nothing
// grows. For half an hour:
//
//	go test ./cmd/popferry -run TestSoak -soak 30m -timeout 45m -soak-samples soak.csv
func TestSoak(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	s := startSoak(t)
	before := s.quiet()
	s.live(*soakFor)
	s.repair()
	s.arrives()
	after := s.quiet()
	testworld.WaitFor(t, "end of the polls that had just begun", func() bool {
		after = s.meter.look()
		return !after.grown(before)
	})
	s.end()
	s.meter.check(t, before, after)
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{T: t, letters: make(map[[sha256.Size]byte]bool), sink: newSoakSink(t), journal: newJournal(t)}
	// The second session waits, and is then told [IN-USE].
	s.source = realserver.StartDovecot(t, realserver.Config("pop3_lock_session = yes"))
	for i := range soakAccounts {
		s.source.AddUser(soakUser(i), "secret")
	}
	s.config = newSoakConfig(t, s.source, s.sink)
	s.config.write(t, change{quiet: true})
	s.daemon = command(t, build(t), "run", "--config", s.config.path)
	s.daemon.Stdout, s.daemon.Stderr = s.journal, s.journal
	s.daemon.begin(t)
	testworld.WaitFor(t, "start", func() bool { return s.journal.said("started") > 0 })
	s.meter = newSoakMeter(t, s.journal.page())
	return s
}

// soakUser is an account's name, here and on its server.
func soakUser(n int) string { return fmt.Sprintf("user%02d", n) }

// keeps tells that an account's mail stays on its server.
func keeps(n int) bool { return n%2 == 0 }

// live has things happen, each in its own time. The servers are away for a fifth
// and a sixth of it; in half an hour there are a hundred reloads.
func (s *soak) live(length time.Duration) {
	begin := time.Now()
	events := []struct {
		gap  time.Duration
		do   func(n int) // for the n-th time
		next time.Time
		n    int
	}{
		{gap: min(length/400, 100*time.Millisecond), do: func(int) { s.post() }},
		{gap: min(length/20, 5*time.Second), do: func(int) { s.meter.sample(s.state()) }},
		{gap: max(length/110, 500*time.Millisecond), do: func(int) { s.reload() }},
		{gap: min(length/20, 15*time.Second), do: func(n int) { s.takeSource(n%5 == 3) }},
		{gap: min(length/20, 19*time.Second), do: func(n int) { s.takeSink(n%6 == 4) }},
		{gap: min(length/20, 21*time.Second), do: func(n int) { s.takeMailbox(n%5 < 2) }},
		{gap: min(length/10, 3*time.Minute), do: func(int) { s.requestPolls() }},
	}
	for i := range events {
		events[i].next = begin.Add(events[i].gap)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		if now.Sub(begin) >= length {
			return
		}
		for i := range events {
			if e := &events[i]; !now.Before(e.next) {
				e.do(e.n)
				e.n, e.next = e.n+1, now.Add(e.gap)
			}
		}
	}
}

// post puts a letter into the next mailbox.
func (s *soak) post() {
	n := len(s.letters)
	i := n % soakAccounts
	letter := letter(soakUser(i), s.count[i], 1000+n*n%20_000)
	s.letters[expected(letter)] = true
	s.count[i]++
	s.source.Seed(soakUser(i), letter)
}

// takeSource takes the POP3 server away, or brings it back.
func (s *soak) takeSource(away bool) {
	switch {
	case away && !s.down:
		s.source.Stop()
		s.takeMailbox(false) // its connection has gone, too
	case !away && s.down:
		s.source.Start()
	}
	s.down = away
}

// takeSink takes the destination away, or brings it back.
func (s *soak) takeSink(away bool) {
	if away != s.sink.down() {
		s.sink.toggle(s.T)
	}
}

// takeMailbox has another client read the first mailbox, or end that.
func (s *soak) takeMailbox(taken bool) {
	switch {
	case !taken:
		s.lock.release()
		s.lock = nil
	case s.lock == nil && !s.down:
		s.lock = lockMailbox(s.T, s.source.POP3(), soakUser(0))
	}
}

// reload changes the configuration for better or worse, unless the last change
// was not answered yet.
func (s *soak) reload() {
	if s.journal.reloads() == s.answers && s.reloads > 0 {
		return
	}
	s.change(changes()[s.reloads%len(changes())])
}

func (s *soak) change(c change) {
	s.reloads++
	s.answers = s.journal.reloads()
	s.config.write(s.T, c)
	if c.hangup {
		s.signal(syscall.SIGHUP)
	}
}

func (s *soak) signal(sig syscall.Signal) {
	s.Helper()
	if err := s.daemon.Process.Signal(sig); err != nil {
		s.Fatal(err)
	}
}

// requestPolls does what a user does, for whom back-offs do not count: by the
// command, or by a signal where the configuration's file is a bad one just now.
func (s *soak) requestPolls() {
	switch code, _, errs := popferry(s.T, "poll", "--config", s.config.path); code {
	case exitOK:
	case exitConfig:
		s.signal(syscall.SIGUSR1)
	default:
		s.Errorf("popferry poll: exit %d\n%s", code, errs)
	}
}

// repair brings everything back to how it should be, except the locked mailbox, which
// is left locked until that was noticed.
func (s *soak) repair() {
	s.takeSource(false)
	s.takeSink(false)
	testworld.WaitFor(s.T, "answer to the last change", func() bool { return s.journal.reloads() > s.answers })
	s.change(change{hangup: true})
	testworld.WaitFor(s.T, "answer to the mended configuration", func() bool { return s.journal.reloads() > s.answers })
	s.takeMailbox(true)
	s.until("locked mailbox", func() bool { return s.journal.ended("locked") > 0 })
	s.takeMailbox(false)
}

// arrives waits until all mail has arrived, what was in doubt has come once
// more, and what is to be deleted was.
func (s *soak) arrives() {
	s.until("arrival of all mail", func() bool { s.retryHeld(); return s.sink.distinct() >= len(s.letters) })
	s.until("forwarding of what was in doubt", func() bool { s.retryHeld(); forwarded, all := s.ledger(); return forwarded == all })
	for i := range soakAccounts {
		if !keeps(i) {
			s.until("deletion of what has arrived", func() bool { return s.source.Count(soakUser(i)) == 0 })
		}
	}
}

// until asks for polls until something holds, three minutes at most.
func (s *soak) until(what string, holds func() bool) {
	s.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for !holds() {
		s.requestPolls()
		select {
		case <-tick.C:
		case <-limit:
			_, rows, _ := popferry(s.T, "messages", "--config", s.config.path)
			s.Fatalf("no %s within three minutes: %+v\n%s", what, s.state(), without(rows, ledger.Forwarded.String()))
		}
	}
}

// retryHeld does what a user does about messages that were cut off or were in
// doubt three times in a row.
func (s *soak) retryHeld() {
	s.Helper()
	var held []struct{ Account, UID string }
	_, out, _ := popferry(s.T, "messages", "--state", ledger.Held.String(), "--json", "--config", s.config.path)
	if err := json.Unmarshal([]byte(out), &held); err != nil {
		s.Fatalf("%v in %q", err, out)
	}
	for _, m := range held {
		s.Logf("held: %s of %s", m.UID, m.Account)
		if code, _, errs := popferry(s.T, "retry", m.Account, m.UID, "--config", s.config.path); code != exitOK {
			s.Errorf("popferry retry: exit %d\n%s", code, errs)
		}
	}
}

// without is text less the lines that have a word in them.
func without(text, word string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, word) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// quiet has all accounts polled once and then none for an hour, and measures.
func (s *soak) quiet() sample {
	s.Helper()
	if s.reloads > 0 {
		s.change(change{quiet: true, hangup: true})
		testworld.WaitFor(s.T, "answer to the quiet configuration", func() bool { return s.journal.reloads() > s.answers })
		s.signal(syscall.SIGUSR1) // the last polls were a moment ago
	}
	testworld.WaitFor(s.T, "poll of each account", func() bool { return s.journal.accounts() == soakAccounts })
	return s.meter.sample(s.state())
}

// end stops the daemon and compares what was sent, what arrived, and what the
// log, the ledger and the mailboxes have of it.
func (s *soak) end() {
	s.Helper()
	s.signal(syscall.SIGTERM)
	if err := s.daemon.Wait(); err != nil {
		s.Errorf("it ended with %v", err)
	}
	s.sink.check(s.T, s.letters, s.journal)
	s.journal.check(s.T)
	for i := range soakAccounts {
		if n := s.source.Count(soakUser(i)); keeps(i) && n != s.count[i] {
			s.Errorf("%s: %d messages are left on the server, want all %d", soakUser(i), n, s.count[i])
		}
	}
	if forwarded, all := s.ledger(); forwarded != len(s.letters) || all != forwarded {
		s.Errorf("the ledger has %d of %d messages as forwarded, %d in all", forwarded, len(s.letters), all)
	}
	s.Logf("%s; %d reloads asked for, %d taken, %d refused; %d messages came twice, all of them in doubt before", s.state(), s.reloads,
		s.journal.said(reloaded), s.journal.said(notReloaded), s.sink.doubled())
}

// ledger counts the ledger's messages.
func (s *soak) ledger() (forwarded, all int) {
	_, out, _ := popferry(s.T, "messages", "--json", "--config", s.config.path)
	return strings.Count(out, `"state":"forwarded"`), strings.Count(out, `"state":`)
}

func (s *soak) state() soakState {
	return soakState{posted: len(s.letters), arrived: s.sink.distinct(), reloads: s.journal.reloads(), refused: s.journal.said(notReloaded),
		sourceDown: s.down, sinkDown: s.sink.down(), locked: s.lock != nil}
}
