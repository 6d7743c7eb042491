package report

import (
	"path/filepath"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher/ledger"
)

// AccountStatus is one account in status --json: part of the contract.
type AccountStatus struct {
	Name        string     `json:"name"`
	State       string     `json:"state"`
	LastPoll    *time.Time `json:"last_poll"`
	LastSuccess *time.Time `json:"last_success"`
	NextPoll    *time.Time `json:"next_poll"`
	Failures    int        `json:"failures"`
	LastError   string     `json:"last_error"`
	OnServer    int        `json:"on_server"`
	Waiting     int        `json:"waiting"` // of OnServer, for later polls
	Forwarded   int        `json:"forwarded"`
	Held        int        `json:"held"`
	Deferred    int        `json:"deferred"`
	Skipped     int        `json:"skipped"`
	Unknown     int        `json:"unknown"`
	// Server is what was learnt of the POP3 server.
	Server []ServerFact `json:"server"`

	cause ledger.Cause
}

// ServerFact is something that was learnt of a POP3 server, in status --json: part
// of the contract.
type ServerFact struct {
	Fact  string    `json:"fact"`
	Value string    `json:"value"`
	First time.Time `json:"first_seen"`
	Last  time.Time `json:"last_seen"`
	Count int       `json:"count"`
	Until time.Time `json:"until"`
}

// Status returns the status of the configured accounts, in their order. If a popferry is
// running, it polls all of them, also those for which it has not planned that yet.
func Status(accounts []config.Account, r Rows, running bool, now time.Time) []AccountStatus {
	list := []AccountStatus{}
	for _, c := range accounts {
		a := r.account(c)
		n := r.counts[a.ID]
		s := AccountStatus{
			Name:        c.Name,
			LastPoll:    jsonTime(a.LastPoll),
			LastSuccess: jsonTime(a.LastSuccess),
			NextPoll:    jsonTime(nextPoll(c, a, running, now)),
			Failures:    a.Failures,
			LastError:   a.Cause.Text,
			OnServer:    a.OnServer,
			Waiting:     a.Postponed,
			Forwarded:   n[ledger.Forwarded],
			Held:        n[ledger.Held],
			Deferred:    n[ledger.Deferred],
			Skipped:     n[ledger.Skipped],
			Unknown:     n[ledger.Unknown] + n[ledger.Sending],
			Server:      serverFacts(&a.Server, now),
			cause:       a.Cause,
		}
		s.State = accountState(s, c.Enabled, a.Failures > 0 || a.Cause.Code != "")
		list = append(list, s)
	}
	return list
}

// public replaces what servers said by the catalogue's words, and leaves out what
// was learnt of them and the folder of retained copies.
func public(list []AccountStatus, found copies.Found) ([]AccountStatus, copies.Found) {
	for i := range list {
		if a := &list[i]; a.cause.Code != "" {
			a.LastError = cause.ByCode(a.cause.Code).What
		} else {
			a.LastError = ""
		}
		list[i].Server = []ServerFact{}
	}
	if found.Orphans != nil {
		names := *found.Orphans
		names.Dir = ""
		found.Orphans = &names
	}
	return list, found
}

// serverFacts are the facts that hold.
func serverFacts(s *ledger.ServerFacts, now time.Time) []ServerFact {
	list := []ServerFact{}
	for _, f := range s.View(now) {
		list = append(list, ServerFact{Fact: f.Name, Value: f.Value, First: f.First.UTC(), Last: f.Last.UTC(), Count: f.Count, Until: f.Until.UTC()})
	}
	return list
}

// CopiesStatus are the retained copies in status --json that no poll sends: part of
// the contract.
type CopiesStatus struct {
	Stranded []StrandedStatus `json:"stranded"`
	Orphans  []string         `json:"orphans"` // paths of files
}

// StrandedStatus is an account that is not polled and has undelivered mail of which
// only popferry has a copy.
type StrandedStatus struct {
	Account  string `json:"account"`
	Disabled bool   `json:"disabled"` // else it is not in the configuration
	Messages int    `json:"messages"`
}

func newCopiesStatus(found copies.Found) CopiesStatus {
	s := CopiesStatus{Stranded: []StrandedStatus{}, Orphans: []string{}}
	for _, e := range found.Stranded {
		s.Stranded = append(s.Stranded, StrandedStatus{e.Account, e.Disabled, e.Messages})
	}
	if o := found.Orphans; o != nil {
		for _, name := range o.Files {
			s.Orphans = append(s.Orphans, filepath.Join(o.Dir, name))
		}
	}
	return s
}

// StatusDocument is the whole document of status --json.
func StatusDocument(p Process, list []AccountStatus, found copies.Found, signIns []SignInStatus, replicas []ReplicaStatus) any {
	return map[string]any{
		"running": p.Running, "last_seen": jsonTime(lastSeen(p, list)),
		"accounts": list, "copies": newCopiesStatus(found), "sign_ins": signIns, "replicas": replicas,
	}
}

// CopyLines says, a line each, which copies no poll sends, and what to do.
func CopyLines(found copies.Found) (lines []string) {
	for _, s := range found.Stranded {
		lines = append(lines, cause.Line(s.Account, s))
	}
	if found.Orphans != nil {
		lines = append(lines, cause.Line("retained copies", found.Orphans))
	}
	return lines
}
