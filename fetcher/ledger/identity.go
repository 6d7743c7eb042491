package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Identity identifies a mailbox. UIDs mean nothing outside of their mailbox.
type Identity struct {
	Name     string // the account's name in the configuration
	Username string
	Host     string
	Port     int // where Host is this machine: a tunnel's end, or a container; 0: any
	// Config is the path of the configuration that has the account. It is no part of what
	// the mailbox is; "": not known.
	Config string
}

// NewIdentity is the identity of a configured account.
func NewIdentity(name, username, host string, port int) Identity {
	i := Identity{Name: name, Username: username, Host: host}
	if isLocal(host) {
		i.Port = port
	}
	return i
}

// isLocal reports whether a host is the machine itself.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// Behind is the identity of the same mailbox behind a proxy; "" is none. It is
// another one only where the host is this machine: there it is the proxy's own.
func (i Identity) Behind(proxy string) Identity {
	if proxy != "" && isLocal(i.Host) {
		i.Host += " behind " + proxy
	}
	return i
}

// SameMailbox reports whether two identities mean one mailbox; the name does not
// matter. Of a port that was not noted, any may be meant.
func (i Identity) SameMailbox(o Identity) bool {
	return i.Username == o.Username && i.sameServer(o)
}

func (i Identity) sameServer(o Identity) bool {
	return strings.EqualFold(i.Host, o.Host) && (i.Port == o.Port || i.Port == 0 || o.Port == 0)
}

// Claimed is the known account of a configured one.
type Claimed struct {
	Account
	// Moved: it was known for another host, port or user name. Its rows may be those
	// of this mailbox or not; their UIDs prove nothing until their headers do.
	Moved bool
}

// Claim finds the known account of each configured one. It returns one for each
// claim, in order; an ID of 0 means that it is new. An account is known by its
// mailbox, whatever its name, else by its name: then its host, port or user name
// was edited. One that nothing claims goes to a new name where it differs by the
// host and port or by the user name only. The name alone counts last, for it may be
// that of an account that was removed. Where several configurations share a
// ledger, another one's account whose mailbox is another one stays its own as long as
// it is polled.
func Claim(known []Account, claims []Identity, now time.Time) []Claimed {
	c := claiming{known: known, taken: make(map[int64]bool), out: make([]Claimed, len(claims))}
	for _, find := range []func(a Account, c Identity) bool{
		func(a Account, c Identity) bool { return a.Name == c.Name && a.SameMailbox(c) },
		func(a Account, c Identity) bool { return a.SameMailbox(c) },
		edited(now, func(a Account, c Identity) bool {
			return a.Name == c.Name && (a.sameServer(c) || localPart(a.Username) == localPart(c.Username))
		}),
		edited(now, func(a Account, c Identity) bool { return a.Username == c.Username }),
		edited(now, func(a Account, c Identity) bool {
			return a.sameServer(c) && localPart(a.Username) == localPart(c.Username)
		}),
		edited(now, func(a Account, c Identity) bool { return a.Name == c.Name }),
	} {
		for i, claim := range claims {
			if c.out[i].ID == 0 {
				c.find(i, claim, find)
			}
		}
	}
	for i, claim := range claims {
		if c.out[i].Moved {
			c.out[i].Account = c.out[i].moved()
		}
		config := cmp.Or(claim.Config, c.out[i].Config)
		c.out[i].Identity = claim
		c.out[i].Config = config
	}
	return c.out
}

// abandoned is how long after its last poll nobody claims an account of another
// configuration any more.
const abandoned = 24 * time.Hour

// edited is a rule by which a claim finds an account of another mailbox: its own one
// that was edited, or one that nobody claims any more.
func edited(now time.Time, is func(a Account, c Identity) bool) func(a Account, c Identity) bool {
	return func(a Account, c Identity) bool { return is(a, c) && a.freeFor(c, now) }
}

// freeFor reports whether a claim may change an account of another mailbox.
func (a Account) freeFor(c Identity, now time.Time) bool {
	own := a.Config == "" || c.Config == "" || a.Config == c.Config
	return own || now.Sub(a.LastPoll) > abandoned
}

// NameClaimedError: an account has the name of another configuration's, which has
// another mailbox, and polls it.
type NameClaimedError struct {
	Claim Identity
	Known Account
}

func (e *NameClaimedError) Error() string {
	return fmt.Sprintf("account %q cannot be kept in this ledger: it has another mailbox under that name (%s at %s), which the configuration %s polled at %s. "+
		"Give the account another name, or this configuration a ledger of its own (state). If it is the same mailbox, run popferry rename %[1]q %[1]q --username %[6]q --host %[7]q",
		e.Claim.Name, e.Known.Username, e.Known.Host, e.Known.Config, e.Known.LastPoll.Local().Format("2006-01-02 15:04"), e.Claim.Username, e.Claim.Host)
}

// movedPatience is how long a claim waits for polls of accounts whose mailbox was
// edited; movedRetry is the pause between two looks.
const (
	movedPatience = 30 * time.Second
	movedRetry    = 100 * time.Millisecond
)

// LeaseMoved takes the leases of the known accounts whose rows a claim changes: a poll
// that is under way has read them. The error is ErrLeased where one is held for longer
// than half a minute, or until ctx ends.
func LeaseMoved(ctx context.Context, known []Account, claims []Identity, now time.Time, lease func(context.Context, int64) (Lease, error)) (release func() error, err error) {
	var held []Lease
	release = func() (err error) {
		for _, l := range held {
			err = errors.Join(err, l.Release())
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, movedPatience)
	defer cancel()
	for _, c := range Claim(known, claims, now) {
		if !c.Moved {
			continue
		}
		l, err := leaseSoon(ctx, c.ID, lease)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("account %q, whose mailbox was edited: %w; try again when that poll has ended", c.Name, err), release())
		}
		held = append(held, l)
	}
	return release, nil
}

// leaseSoon takes a lease as soon as it is free, or returns ErrLeased when ctx ends.
func leaseSoon(ctx context.Context, account int64, lease func(context.Context, int64) (Lease, error)) (Lease, error) {
	tick := time.NewTicker(movedRetry)
	defer tick.Stop()
	for {
		l, err := lease(ctx, account)
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, ErrLeased):
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// claiming is one call of Claim.
type claiming struct {
	known []Account
	taken map[int64]bool
	out   []Claimed
}

// find gives a claim the account that was polled last of those that nothing has
// claimed yet.
func (c *claiming) find(i int, claim Identity, is func(Account, Identity) bool) {
	var found *Account
	for k := range c.known {
		if a := &c.known[k]; !c.taken[a.ID] && is(*a, claim) && (found == nil || a.LastPoll.After(found.LastPoll)) {
			found = a
		}
	}
	if found != nil {
		c.taken[found.ID] = true
		c.out[i] = Claimed{Account: *found, Moved: !found.SameMailbox(claim)}
	}
}

// localPart is a user name without its domain.
func localPart(username string) string {
	name, _, _ := strings.Cut(username, "@")
	return strings.ToLower(name)
}

// moved is what is left of an account whose mailbox is another than before, or
// elsewhere: when it was listed and polled, and of its server what protects mail.
func (a Account) moved() Account {
	return Account{ID: a.ID, Identity: a.Identity, Listed: a.Listed, LastPoll: a.LastPoll,
		Server: ServerFacts{Capabilities: Capabilities{Expires: a.Server.Expires}, Habits: Habits{RetrHides: a.Server.RetrHides}}}
}

// movedPrefix stands before the UIDs of a mailbox that was edited, until its headers
// show which messages they are. No UID of a server has a space (RFC 1939 section 7).
const movedPrefix = "moved "

// MovedUID is the UID of a row whose mailbox was edited.
func MovedUID(uid string) string {
	if strings.HasPrefix(uid, movedPrefix) {
		return uid
	}
	return movedPrefix + uid
}

// OriginalUID is the UID that a row had before its mailbox was edited; ok is false if
// it was not.
func OriginalUID(uid string) (original string, ok bool) { return strings.CutPrefix(uid, movedPrefix) }

// Changes are what a claim changes in a store.
type Changes struct {
	Accounts []Account // of the claims, in order
	// Written are those of Accounts that have to be written; true: their mailbox was
	// edited.
	Written map[int]bool
	// Names are those that accounts get before anything is written, by their IDs: another
	// account gets the name that they have.
	Names map[int64]string
}

// ClaimChanged is Claim for a store. The error is a *NameClaimedError.
func ClaimChanged(known []Account, claims []Identity, now time.Time) (Changes, error) {
	before := make(map[int64]Identity, len(known))
	for _, a := range known {
		before[a.ID] = a.Identity
	}
	c := Changes{Accounts: make([]Account, len(claims)), Written: make(map[int]bool)}
	for i, claimed := range Claim(known, claims, now) {
		c.Accounts[i] = claimed.Account
		if a := c.Accounts[i]; a.ID == 0 || before[a.ID] != a.Identity {
			c.Written[i] = claimed.Moved
		}
	}
	var err error
	c.Names, err = freed(known, c.Accounts, now)
	return c, err
}

// freed returns new names for the known accounts whose names others get: for those that
// were renamed, too, until they have their own, and for those that no claim has. The
// error is a *NameClaimedError if one of these is another configuration's.
func freed(known, accounts []Account, now time.Time) (map[int64]string, error) {
	claimed, owner, used := make(map[int64]bool, len(accounts)), make(map[string]Account, len(accounts)), make(map[string]bool)
	for _, a := range accounts {
		claimed[a.ID], owner[a.Name], used[a.Name] = true, a, true
	}
	for _, k := range known {
		used[k.Name] = true
	}
	names := make(map[int64]string)
	for _, k := range known {
		a, ok := owner[k.Name]
		if !ok || a.ID == k.ID {
			continue
		}
		if !claimed[k.ID] && !k.freeFor(a.Identity, now) {
			return nil, &NameClaimedError{Claim: a.Identity, Known: k}
		}
		name := k.Name
		for n := 2; used[name]; n++ {
			name = fmt.Sprintf("%s-%d", k.Name, n)
		}
		names[k.ID], used[name] = name, true
	}
	return names, nil
}
