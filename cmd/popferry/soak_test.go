//go:build linux

package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/realserver"
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
	lock    *mailboxLock               // nil: nobody else reads a mailbox
	reloads int                        // that were asked for
	answers int                        // to them when the last one was asked for
}

// TestSoak: nothing is lost, nothing comes twice but what was in doubt, and
// nothing grows. For half an hour:
//
//	go test ./cmd/popferry -run TestSoak -soak 30m -timeout 45m -soak-samples soak.csv
func TestSoak(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	s := startSoak(t)
	before := s.quiet()
	s.live(*soakFor)
	s.mend()
	s.arrives()
	after := s.quiet()
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
	waitFor(t, "start", func() bool { return s.journal.said("started") > 0 })
	s.meter = newSoakMeter(t, s.journal.page())
	return s
}

// soakUser is an account's name, here and on its server.
func soakUser(n int) string { return fmt.Sprintf("user%02d", n) }

// keeps tells that an account's mail stays on its server.
func keeps(n int) bool { return n%2 == 0 }

// live has things happen, each in its own time. Reloads are as many as in half
// an hour every 18 seconds, but a look at the files takes four.
func (s *soak) live(length time.Duration) {
	begin := time.Now()
	events := []struct {
		gap  time.Duration
		next time.Time
		do   func()
	}{
		{gap: min(length/400, 100*time.Millisecond), do: s.post},
		{gap: min(length/20, 5*time.Second), do: func() { s.meter.sample(s.state()) }},
		{gap: max(length/110, 500*time.Millisecond), do: s.reload},
		{gap: min(length/5, 70*time.Second), do: s.toggleSource},
		{gap: min(length/4, 110*time.Second), do: s.toggleSink},
		{gap: min(length/3, 100*time.Second), do: s.toggleLock},
		{gap: min(length/10, 3*time.Minute), do: s.askForPolls},
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
				e.do()
				e.next = now.Add(e.gap)
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

func (s *soak) toggleSource() {
	if s.down = !s.down; s.down {
		s.source.Stop()
		s.lock.release() // its connection has gone, too
		s.lock = nil
	} else {
		s.source.Start()
	}
}

func (s *soak) toggleSink() { s.sink.toggle(s.T) }

func (s *soak) toggleLock() {
	switch {
	case s.lock != nil:
		s.lock.release()
		s.lock = nil
	case !s.down:
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

// askForPolls is what a person does, for whom back-offs do not count. The
// configuration may be a bad one, or just be changed.
func (s *soak) askForPolls() {
	code, _, errs := popferry(s.T, "poll", "--config", s.config.path)
	if code != 0 && code != exitAgain && code != exitConfig {
		s.Errorf("popferry poll: exit %d\n%s", code, errs)
	}
}

// mend brings all back to how it should be, but for the locked mailbox, which
// is left locked until that was noticed.
func (s *soak) mend() {
	if s.down {
		s.toggleSource()
	}
	if s.sink.down() {
		s.toggleSink()
	}
	waitFor(s.T, "answer to the last change", func() bool { return s.journal.reloads() > s.answers })
	s.change(change{hangup: true})
	waitFor(s.T, "answer to the mended configuration", func() bool { return s.journal.reloads() > s.answers })
	if s.lock == nil {
		s.toggleLock()
	}
	s.until("locked mailbox", func() bool { return s.journal.ended("locked") > 0 })
	s.toggleLock()
}

// arrives waits until all mail has arrived and what is to be deleted was.
func (s *soak) arrives() {
	s.until("arrival of all mail", func() bool { return s.sink.distinct() >= len(s.letters) })
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
		s.askForPolls()
		select {
		case <-tick.C:
		case <-limit:
			s.Fatalf("no %s within three minutes: %s", what, s.state())
		}
	}
}

// quiet has all accounts polled once and then none for an hour, and measures.
func (s *soak) quiet() sample {
	s.Helper()
	if s.reloads > 0 {
		s.change(change{quiet: true, hangup: true})
		waitFor(s.T, "answer to the quiet configuration", func() bool { return s.journal.reloads() > s.answers })
	}
	before := s.meter.polls(s.T)
	waitFor(s.T, "poll of each account", func() bool { return s.meter.polls(s.T) >= before+soakAccounts })
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
	_, out, errs := popferry(s.T, "messages", "--json", "--config", s.config.path)
	if n := strings.Count(out, `"state":"forwarded"`); n != len(s.letters) || strings.Count(out, `"state":`) != n {
		s.Errorf("the ledger has %d of %d messages as forwarded, %d in all\n%s", n, len(s.letters), strings.Count(out, `"state":`), errs)
	}
	s.Logf("%s; %d reloads asked for, %d taken, %d refused; %d messages came twice, all of them in doubt before", s.state(), s.reloads,
		s.journal.said(reloaded), s.journal.said(notReloaded), s.sink.doubled())
}

func (s *soak) state() soakState {
	return soakState{posted: len(s.letters), arrived: s.sink.distinct(), reloads: s.journal.reloads(), refused: s.journal.said(notReloaded),
		sourceDown: s.down, sinkDown: s.sink.down(), locked: s.lock != nil}
}
