package check

import (
	"cmp"
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

// account returns the target of an account. size is the limit of its
// destination.
func (c *checker) account(a config.Account, row ledger.Account, size *sizeLimit) (target, error) {
	a.Timeout = min(a.Timeout, stepTimeout)
	acc, err := c.Resources.Account(a)
	if err != nil {
		return target{}, err
	}
	dialer, err := c.Resources.Dialer(a.Server)
	if err != nil {
		return target{}, err
	}
	where := a.Username + " at " + dialer.Addr()
	try := func(ctx context.Context, report func(Step)) error {
		filtered := c.filter(ctx, a, report)
		c.signIn(ctx, a.Server, report)
		reportProbe := c.reporter(ctx, a.Server, probe.POP3, report)
		m := listingJudge{policy: acc.Policy, row: row}
		err := probe.Account(ctx, probe.Mailbox{
			Dialer:      dialer,
			Credentials: acc.Source.Credentials,
			Timeout:     a.Timeout,
			MaxListing:  a.MaxListing,
			NoLogin:     tooEarly(acc.Policy, row.Server, time.Now()),
			Judge: func(l pop3.Listing) (string, error) {
				known, err := c.known(ctx, row)
				if err != nil {
					return "", err
				}
				return m.judge(l, known)
			},
		}, reportProbe)
		if err == nil {
			m.compareSize(size.get(), reportProbe)
		}
		return cmp.Or(err, filtered)
	}
	return target{kindAccount, a.Name, where, try}, nil
}

// tooEarly says why an account must not be logged in to again yet; "": it may.
// min_interval and LOGIN-DELAY hold for a check, too.
func tooEarly(p identify.Policy, s ledger.ServerFacts, now time.Time) string {
	gap, since := max(p.MinInterval, s.LoginDelay.Get(now)), now.Sub(s.LastLogin)
	if s.LastLogin.IsZero() || since < 0 || since >= gap {
		return ""
	}
	return fmt.Sprintf("the last login was %s ago, and logins have to be %s apart (min_interval, LOGIN-DELAY)", terminal.Span(since), terminal.Span(gap))
}

// known returns the messages that the ledger has of an account.
func (c *checker) known(ctx context.Context, row ledger.Account) (known *ledger.Rows, err error) {
	if c.Ledger == nil || row.ID == 0 {
		return nil, nil
	}
	known = ledger.NewRows(0)
	accounts, err := c.Ledger.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if a.ID == row.ID { // row may have a new name for it
			err = c.Ledger.Messages(ctx, ledger.Filter{Account: a.Name}, func(_ string, r *ledger.Record) error {
				known.Add(&r.Known)
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
	largest int64 // octets of the largest message that is to be fetched
}

// judge says what is in a mailbox and what of it is new. The error is a reason
// why nothing would be forwarded.
func (m *listingJudge) judge(l pop3.Listing, known *ledger.Rows) (string, error) {
	if m.row.UIDs == ledger.UIDsRenumbered {
		return "", fetcher.ErrRenumbered
	}
	var octets, largest int64
	hasUIDs := len(l.Entries) == 0
	for _, e := range l.Entries {
		octets += max(0, e.Size)
		largest = max(largest, e.Size)
		hasUIDs = hasUIDs || e.UID != ""
	}
	notes := []string{fmt.Sprintf("%s, %s", terminal.Count(len(l.Entries), "message"), terminal.Size(octets))}
	if !hasUIDs {
		m.largest = largest
		return strings.Join(append(notes, "no UIDL: messages are recognised by their headers, and the next poll shows which are new"), "; "), nil
	}
	o := identify.Preview(l, known, m.row, m.policy, time.Now())
	m.largest = o.Largest
	notes = append(notes, fmt.Sprintf("%d new", o.New))
	notes = appendCounts(notes,
		counted{o.Again, "due for another try"},
		counted{o.Waiting, "waiting for another try"},
		counted{o.Compare, "to be compared by header"},
		counted{o.Skip, "there before the first run"},
		counted{o.TooLarge, "larger than max_message_size"})
	if o.Largest > 0 {
		notes = append(notes, "the largest to fetch has "+terminal.Size(o.Largest))
	}
	return strings.Join(append(notes, uidProblems(l)...), "; "), nil
}

// maxUID is the longest UID that RFC 1939 7 allows, in octets.
const maxUID = 70

// uidProblems says what is wrong with the server's UIDs. popferry copes.
func uidProblems(l pop3.Listing) []string {
	seen := make(map[string]int)
	var missing, duplicate, long int
	for _, e := range l.Entries {
		seen[e.UID]++
		switch {
		case e.UID == "":
			missing++
		case seen[e.UID] > 1:
			duplicate++
		}
		if len(e.UID) > maxUID {
			long++
		}
	}
	return appendCounts(nil,
		counted{missing, "without a UID"},
		counted{duplicate, "with a duplicate UID"},
		counted{long, fmt.Sprintf("with a UID longer than %d octets", maxUID)},
		counted{l.Malformed, "malformed in the listing"})
}

type counted struct {
	count int
	what  string
}

// appendCounts appends "3 what" for each count that is not zero.
func appendCounts(notes []string, counts ...counted) []string {
	for _, n := range counts {
		if n.count > 0 {
			notes = append(notes, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	return notes
}

// compareSize reports a step if the largest message is larger than the
// destination accepts; 0 is no limit.
func (m *listingJudge) compareSize(limit int64, report func(probe.Step)) {
	if limit == 0 || m.largest <= limit {
		return
	}
	report(probe.Step{Name: probe.StepSize, Err: &outcome.MessageError{Outcome: forwarder.Outcome{
		Kind: forwarder.Impossible, Stage: forwarder.StageMail, Code: 552, Enhanced: forwarder.EnhancedCode{5, 3, 4},
		Text: fmt.Sprintf("the largest message to fetch has %s, and the destination accepts %s at most", terminal.Size(m.largest), terminal.Size(limit)),
	}}})
}
