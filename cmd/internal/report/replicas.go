package report

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
)

// ReplicaStatus is one of the popferrys that share a ledger, in status --json: part of
// the contract.
type ReplicaStatus struct {
	Name     string     `json:"name"`
	Version  string     `json:"version"`
	Started  *time.Time `json:"started_at"`
	LastPing *time.Time `json:"last_ping"`
	Running  bool       `json:"running"`
	Leases   int        `json:"leases"`
	Problem  string     `json:"problem"` // why it polls nothing; "": it does
}

// Replicas returns those that share a ledger: none if it is not shared.
func Replicas(ctx context.Context, store ledger.Store) ([]ReplicaStatus, error) {
	list := []ReplicaStatus{}
	shared, ok := store.(ledger.Shared)
	if !ok {
		return list, nil
	}
	all, err := shared.Replicas(ctx)
	now := shared.Now()
	for _, r := range all {
		list = append(list, ReplicaStatus{
			Name: r.Name, Version: r.Version, Started: jsonTime(r.Started), LastPing: jsonTime(r.Beat),
			Running: now.Sub(r.Beat) < ledger.Silent, Leases: r.Leases, Problem: r.Sick,
		})
	}
	return list, err
}

// With is the process with those that share its ledger: popferry runs if one of them
// does.
func (p Process) With(replicas []ReplicaStatus) Process {
	for _, r := range replicas {
		if r.Running && !p.Running {
			p.Running = true
			if r.Started != nil {
				p.Since = *r.Started
			}
		}
	}
	return p
}

// replicas is a table of them, and below it the problems of those that have one.
func (t StatusText) replicas() []string {
	if len(t.Replicas) == 0 {
		return nil
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "REPLICA\tVERSION\tLEASES\tLAST PING")
	var problems []string
	for _, r := range t.Replicas {
		ping := "-"
		if r.LastPing != nil {
			ping = terminal.Span(max(0, t.Now.Sub(*r.LastPing))) + " ago"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Name, r.Version, r.Leases, ping)
		switch {
		case !r.Running:
			problems = append(problems, r.Name+": not heard of for half a minute; the others poll its mailboxes. If it was not meant to end, see its log.")
		case r.Problem != "":
			problems = append(problems, r.Name+": polls nothing: "+r.Problem+". See to its network; it goes on by itself.")
		}
	}
	_ = w.Flush() // to a strings.Builder
	return append([]string{strings.TrimSuffix(b.String(), "\n")}, problems...)
}
