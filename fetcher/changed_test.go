package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// password is what a person has written into the file.
type password struct {
	mu    sync.Mutex
	text  string // "": it cannot be read
	reads int
}

func (p *password) ask(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if p.text == "" {
		return "", errors.New("open isp.password: no such file")
	}
	return p.text, nil
}

func (p *password) set(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// TestChangeEndsTheBackoffOnce: an account waits after a failure until a person has
// changed what failed. Then it is tried once, and waits again if that fails, too.
func TestChangeEndsTheBackoffOnce(t *testing.T) {
	t.Parallel()
	const aToken = "a token, which changes by itself"
	for name, tt := range map[string]struct {
		first  string // the password
		broken bool   // the server cannot be reached
		change func(f *fixture, p *password)
		tried  bool // at once
	}{
		"nothing":                               {"wrong", false, func(*fixture, *password) {}, false},
		"the password, to the right one":        {"wrong", false, func(_ *fixture, p *password) { p.set("secret") }, true},
		"the password, to another wrong one":    {"wrong", false, func(_ *fixture, p *password) { p.set("wrong too") }, true},
		"the password goes away":                {"wrong", false, func(_ *fixture, p *password) { p.set("") }, false},
		"the password appears":                  {"", false, func(_ *fixture, p *password) { p.set("secret") }, true},
		"the settings":                          {"wrong", false, func(f *fixture, _ *password) { f.account.Settings = "another server" }, true},
		aToken:                                  {"wrong", false, func(_ *fixture, p *password) { p.set("another") }, false},
		"the password, which was not the fault": {"wrong", true, func(_ *fixture, p *password) { p.set("secret") }, false},
		"the settings of a server that is away": {"wrong", true, func(f *fixture, _ *password) { f.account.Settings = "another server" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			p := &password{text: tt.first}
			f.account.Settings = "server"
			f.account.Source.Credentials.Secret = p.ask
			f.account.Source.Credentials.Token = name == aToken
			connections := 0
			dial := f.account.Source.Dial
			f.account.Source.Dial = func(ctx context.Context) (net.Conn, error) {
				connections++
				if tt.broken {
					return nil, errors.New("no route to host")
				}
				return dial(ctx)
			}
			f.add("m1")
			if r := f.pollBySchedule(); r.Err == nil {
				t.Fatal("the first poll has not failed")
			}
			if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff {
				t.Fatalf("the next poll was skipped for reason %d, want %d: backing off", r.Skip, fetcher.BackingOff)
			}
			tt.change(f, p)
			before := connections
			r := f.pollBySchedule()
			if tried := r.Skip == fetcher.NotSkipped && connections > before; tried != tt.tried {
				t.Errorf("tried %v, want %v: %+v", tried, tt.tried, r)
			}
			if tt.broken || p.text != "secret" {
				if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff {
					t.Errorf("the poll after that was skipped for reason %d, want %d: backing off", r.Skip, fetcher.BackingOff)
				}
			}
		})
	}
}

// TestPasswordThatIsAlwaysAnother: one that a program makes afresh each time does not
// make the back-off void.
func TestPasswordThatIsAlwaysAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Settings = "server"
	n := 0
	f.account.Source.Credentials.Secret = func(context.Context) (string, error) {
		n++
		return fmt.Sprint("one-time password ", n), nil
	}
	polls := func() (tried int) {
		for range 20 {
			if r := f.pollBySchedule(); r.Skip == fetcher.NotSkipped {
				tried++
			}
			f.now.Add(time.Second)
		}
		return tried
	}
	if tried := polls(); tried != 1+5 {
		t.Errorf("%d logins in 20 polls, want 6", tried)
	}
	f.now.Add(24 * time.Hour)
	if tried := polls(); tried != 1+5 {
		t.Errorf("%d logins in the 20 polls after a day, want 6", tried)
	}
}

// TestPasswordIsNotReadForNothing: a password command is not run for an account that
// waits for something else.
func TestPasswordIsNotReadForNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	p := &password{text: "secret"}
	f.account.Settings = "server"
	f.account.Source.Credentials.Secret = p.ask
	f.account.Source.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("no route to host") }
	for range 3 {
		f.pollBySchedule()
	}
	if p.reads > 0 {
		t.Errorf("the password was read %d times, want never", p.reads)
	}
}

// TestChangeEndsTheDestinationsBackoff: the same for a destination that refuses the
// login.
func TestChangeEndsTheDestinationsBackoff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(f *fixture, p *password)
		tried  bool
	}{
		"nothing":      {func(*fixture, *password) {}, false},
		"the password": {func(_ *fixture, p *password) { p.set("secret") }, true},
		"the settings": {func(f *fixture, _ *password) { f.account.Destination.Settings = "another server" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &password{text: "wrong"}
			f := newFixture(t, faults{
				smtp: smtptest.Options{Username: "me", Password: "secret"},
				pool: smtp.Options{Username: "me", Secret: p.ask},
			})
			f.account.Destination.Settings, f.account.Destination.Secret = "server", p.ask
			f.add("m1")
			if r := f.pollBySchedule(); r.Err == nil {
				t.Fatal("the first poll has not failed")
			}
			if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff {
				t.Fatalf("the next poll was skipped for reason %d, want %d: backing off", r.Skip, fetcher.BackingOff)
			}
			tt.change(f, p)
			if r := f.pollBySchedule(); r.Skip == fetcher.NotSkipped != tt.tried {
				t.Errorf("skipped for reason %d, tried %v, want %v", r.Skip, r.Skip == fetcher.NotSkipped, tt.tried)
			}
			if p.text == "secret" {
				f.wantArrivedInOrder("m1")
				return
			}
			if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff {
				t.Errorf("the poll after that was skipped for reason %d, want %d: backing off", r.Skip, fetcher.BackingOff)
			}
		})
	}
}

// TestChangedSenderEndsTheRoutesBackoff: the destination has refused the sender.
func TestChangedSenderEndsTheRoutesBackoff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageMail, reply(550, 5, 1, 8), onAddress("bad"))})
	f.account.Destination.Settings, f.account.Destination.Sender = "server", "bad@example.org"
	f.add("m1")
	f.pollBySchedule()
	if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff {
		t.Fatalf("the next poll was skipped for reason %d, want %d: backing off", r.Skip, fetcher.BackingOff)
	}
	f.account.Destination.Sender = "good@example.org"
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}
