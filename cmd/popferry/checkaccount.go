package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
)

// account is how an account is tried.
func (k *checker) account(c config.Account, row ledger.Account, size *limit) (subject, error) {
	c.Timeout = min(c.Timeout, checkPatience)
	acc, err := k.resources.Account(c)
	if err != nil {
		return subject{}, err
	}
	dialer, err := k.resources.Dialer(c.Server)
	if err != nil {
		return subject{}, err
	}
	where := c.Username + " at " + dialer.Addr()
	try := func(ctx context.Context, tell func(checkStep)) error {
		told := k.tried(ctx, c.Server, probe.POP3, tell)
		m := listingJudge{policy: acc.Policy, row: row}
		err := probe.Account(ctx, probe.Mailbox{
			Dialer:      dialer,
			Credentials: acc.Source.Credentials,
			Timeout:     c.Timeout,
			NoLogin:     tooEarly(acc.Policy, row.Server, time.Now()),
			Judge: func(l pop3.Listing) (string, error) {
				known, err := k.known(ctx, row)
				if err != nil {
					return "", err
				}
				return m.judge(l, known)
			},
		}, told)
		if err == nil {
			m.measure(size.get(), told)
		}
		return err
	}
	return subject{kindAccount, c.Name, where, try}, nil
}

// tooEarly says why an account must not be logged in to again yet, "" if it may.
// check is no exception to min_interval and LOGIN-DELAY: the provider does not
// care who asks.
func tooEarly(p identify.Policy, s ledger.ServerFacts, now time.Time) string {
	gap, since := max(p.MinInterval, s.LoginDelay), now.Sub(s.LastLogin)
	if s.LastLogin.IsZero() || since < 0 || since >= gap {
		return ""
	}
	return fmt.Sprintf("the last login was %v ago, and there have to be %v between two (min_interval, LOGIN-DELAY)", since.Round(time.Second), gap)
}

// known are the messages that the ledger has of an account.
func (k *checker) known(ctx context.Context, row ledger.Account) (known []ledger.Known, err error) {
	if k.store == nil || row.ID == 0 {
		return nil, nil
	}
	accounts, err := k.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if a.ID == row.ID { // row may have a new name for it
			err = k.store.Messages(ctx, ledger.Filter{Account: a.Name}, func(_ string, r *ledger.Record) error {
				known = append(known, r.Known)
				return nil
			})
		}
	}
	return known, err
}

// listingJudge is what is known of an account whose listing is judged.
type listingJudge struct {
	policy  identify.Policy
	row     ledger.Account
	largest int64 // octets of the largest message that waits
}

// judge says what is in a mailbox, and what of it is new. The error is a reason
// why nothing of it would be forwarded.
func (m *listingJudge) judge(l pop3.Listing, known []ledger.Known) (string, error) {
	if m.row.UIDs == ledger.UIDsRenumbered {
		return "", fetcher.ErrRenumbered
	}
	var all int64
	for _, e := range l.Entries {
		all += max(0, e.Size)
	}
	notes := []string{fmt.Sprintf("%s, %s", terminal.Count(len(l.Entries), "message"), terminal.Size(all))}
	if noUIDL(l) {
		for _, e := range l.Entries {
			m.largest = max(m.largest, e.Size)
		}
		return strings.Join(append(notes, "no UIDL: messages are told by their headers, and a poll shows which are new"), "; "), nil
	}
	o := identify.Preview(l, known, m.row, m.policy, time.Now())
	m.largest = o.Largest
	return strings.Join(append(append(notes, outlook(o)...), quality(l)...), "; "), nil
}

// outlook says what a poll would do.
func outlook(o identify.Summary) []string {
	notes := []string{fmt.Sprintf("%d new", o.New)}
	for _, n := range []struct {
		count int
		what  string
	}{
		{o.Again, "to be tried again"},
		{o.Waiting, "waiting for another try"},
		{o.Compare, "to be compared by header"},
		{o.Skip, "there before the first run"},
		{o.TooLarge, "larger than max_message_size"},
	} {
		if n.count > 0 {
			notes = append(notes, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	if o.Largest > 0 {
		notes = append(notes, "the largest to be fetched has "+terminal.Size(o.Largest))
	}
	return notes
}

// maxUID is the longest UID that RFC 1939 7 allows, in octets.
const maxUID = 70

// quality says what is wrong with the server's UIDs. popferry makes do.
func quality(l pop3.Listing) []string {
	seen := make(map[string]int)
	var missing, doubled, long int
	for _, e := range l.Entries {
		seen[e.UID]++
		switch {
		case e.UID == "":
			missing++
		case seen[e.UID] > 1:
			doubled++
		}
		if len(e.UID) > maxUID {
			long++
		}
	}
	var notes []string
	for _, n := range []struct {
		count int
		what  string
	}{
		{missing, "without a UID"},
		{doubled, "with the UID of another"},
		{long, fmt.Sprintf("with a UID of more than %d octets", maxUID)},
		{l.Malformed, "listed in lines that make no sense"},
	} {
		if n.count > 0 {
			notes = append(notes, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	return notes
}

// noUIDL tells whether no message has a UID.
func noUIDL(l pop3.Listing) bool {
	for _, e := range l.Entries {
		if e.UID != "" {
			return false
		}
	}
	return len(l.Entries) > 0
}

// measure compares the largest message that waits with what the destination
// takes.
func (m *listingJudge) measure(limit int64, told func(probe.Step)) {
	if limit == 0 || m.largest <= limit {
		return
	}
	told(probe.Step{Name: probe.StepSize, Err: &outcome.MessageError{Outcome: forwarder.Outcome{
		Kind: forwarder.Impossible, Stage: forwarder.StageMail, Code: 552, Enhanced: forwarder.EnhancedCode{5, 3, 4},
		Text: fmt.Sprintf("the largest message that waits has %s, the destination announces a limit of %s",
			terminal.Size(m.largest), terminal.Size(limit)),
	}}})
}
