package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/popferry/popferry/fetcher/doubt"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/multidrop"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
)

// Account is one mailbox, and where its mail goes.
type Account struct {
	ID   int64 // of the ledger
	Name string
	// Mailbox is what the ledger knew it as when it was claimed. Where that has changed
	// since, nothing is polled; zero: that is not looked at.
	Mailbox ledger.Identity
	Source  mailbox.Source
	Policy  identify.Policy
	// Settings stand for all that a poll depends on but the password: where the text
	// is another one after a failure, the account's back-off is over.
	Settings    string
	Destination Destination
	Filter      Filter // where set, looks at each message
	// Multidrop, where set, says who gets each message. Destination.Recipients are who
	// gets what names nobody, then.
	Multidrop *multidrop.Sorter
	Progress  *Progress // where set, counts how far a poll has come
	Due       Due       // says when it is due
	// Room, where set, is asked before the mailbox is polled whether there may be one
	// more session with its server and its destination; leave says that they have
	// ended. Where there may not it returns ledger.ErrLeased, at once.
	Room   func(context.Context) (leave func(), err error)
	Turn   Turn // bounds a poll in time while others wait
	Tagged bool // the account's name has a field of its own in what is forwarded
}

// Filter looks at messages before they are sent.
type Filter interface {
	// Look says what becomes of a message. It may be called from several goroutines,
	// and bounds how many of them it serves at once. Its error is no fault of the
	// message's.
	Look(ctx context.Context, message io.Reader) (Verdict, error)
}

// Verdict is what a filter says of a message. The zero value is that it is sent as
// any other.
type Verdict struct {
	Drop   bool
	Reason string   // for Drop; "": none was given
	To     []string // the recipients, instead of the account's own; or the folder
}

// byOctets reports whether a message is told from others by all its octets: where its
// header alone may be another one's, too, and where it is deleted once it is forwarded.
func (a Account) byOctets(h message.Header) bool { return h.Weak() || a.digests() }

// digests reports whether byOctets is true of any message.
func (a Account) digests() bool { return !a.Policy.Keep || a.Policy.KeepFor > 0 }

// origin is the account as trace lines name it.
func (a Account) origin() message.Origin {
	o := message.Origin{Account: a.Name, Host: a.Source.Host, Username: a.Source.Credentials.Username, Secure: a.Source.Secure, Tagged: a.Tagged}
	if a.Destination.ForwardedTo {
		o.ForwardedTo = a.Destination.Recipients
	}
	return o
}

// Destination is where the mail of an account goes.
type Destination struct {
	Name string
	// Server is where it is: the back-off of a destination that was given another
	// server ends.
	Server    string
	Forwarder Forwarder
	// Finder, where set, can be asked for messages that may have arrived.
	Finder doubt.Finder
	// Settings are as those of an account, for all mail to the destination; Secret is
	// the password, nil without one.
	Settings string
	Secret   func(context.Context) (string, error)
	// Sender is the envelope sender. Original takes the message's Return-Path
	// instead where it has one.
	Sender     string
	Original   bool
	Recipients []string
	// SpamFolder, where set, is the folder for mail that its own provider has marked as
	// spam, instead of the one in Recipients.
	SpamFolder string
	// ForwardedTo adds a field with the recipients (X-Forwarded-To).
	ForwardedTo bool
	// Address, where set, stands for Sender and Recipients in what popferry writes by
	// itself: the destination has folders instead, and the one Recipient is the folder.
	Address string
	// Quota bounds what is sent in a time.
	Quota ledger.Quota
	// OnReject says what to do with refused messages; Quarantine keeps them, if
	// it is that. Nil: the ledger does (QuarantineKeeper).
	OnReject   Reject
	Quarantine Quarantiner
}

// route is the key of the back-off for these recipients.
func (d Destination) route() ledger.RouteKey {
	return ledger.RouteKey{Destination: d.Name, Server: d.Server, Recipients: strings.Join(slices.Sorted(slices.Values(d.Recipients)), " ")}
}

// whole is the key of the back-off for all recipients.
func (d Destination) whole() ledger.RouteKey {
	return ledger.RouteKey{Destination: d.Name, Server: d.Server}
}

// routeSettings are Settings for one account's mail.
func (d Destination) routeSettings() string {
	if d.Settings == "" {
		return ""
	}
	return fmt.Sprint(d.Settings, " ", d.OnReject, " ", d.Original, " ", d.Sender)
}

// Uses reports whether this mail waits for the back-off of a route.
func (d Destination) Uses(key ledger.RouteKey) bool { return key == d.whole() || key == d.route() }

// Forwarder hands messages over to a destination.
type Forwarder interface {
	// Submit takes a message's place in the order: no message that is submitted
	// later is sent before it. It does not block.
	Submit(m *forwarder.Message) Delivery
	// Workers is how many deliveries are useful at once.
	Workers() int
	// Preconnect announces that so many messages are about to come.
	Preconnect(messages int)
}

// Delivery is a message that was submitted.
type Delivery interface {
	// Wait delivers it and returns one outcome for each recipient, in order. Its
	// error is for faults of popferry's own (ctx is done, intend failed, the body
	// could not be read); nothing was delivered then. intend is called once, when
	// a session is ready and before the first command of the transaction: what it
	// records is on disk before anything is sent. at is where the message can be
	// looked for later, zero where it cannot.
	Wait(ctx context.Context, intend func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error)
	// Resend is Wait for another form of the message, in the same place.
	Resend(ctx context.Context, m *forwarder.Message, intend func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error)
	// Done gives the place back. Until then the message counts as in flight, so
	// it is called when the outcome is on disk, or instead of Wait.
	Done()
}

// login is what a poll logs in with.
type login struct {
	ask   func(context.Context) (string, error) // nil: there is no password
	token bool                                  // it changes by itself

	mu     sync.Mutex
	asked  bool
	secret string // as it was used last
	err    error
}

// watchLogin notes the password that is used from now on.
func watchLogin(c *pop3.Credentials) *login {
	l := &login{ask: c.Secret, token: c.Token}
	if l.ask == nil {
		return l
	}
	c.Secret = func(ctx context.Context) (string, error) {
		secret, err := l.ask(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked, l.secret, l.err = true, secret, err
		return secret, err
	}
	return l
}

// mark marks the password that was used. It is "" if none was, or it is as good
// as any other.
func (l *login) mark() ledger.Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.asked, errors.Is(l.err, context.Canceled):
		return ""
	case l.err != nil:
		return ledger.Unreadable
	case l.token:
		return ""
	default:
		return ledger.MarkSecret(l.secret)
	}
}

// ReassignedError: the ledger has the account's history for another mailbox now, for
// another configuration or popferry rename has given it to that one.
type ReassignedError struct {
	Account string
	Now     ledger.Identity
}

func (e *ReassignedError) Error() string {
	return fmt.Sprintf("account %q: the ledger has its history for %s at %s now, so nothing was polled", e.Account, e.Now.Username, e.Now.Host)
}
