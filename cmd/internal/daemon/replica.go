package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

const (
	// beatInterval is how often a daemon tells those that share its ledger of itself,
	// and looks what they and users want.
	beatInterval = 5 * time.Second
	// beatTimeout bounds the wait for the answer.
	beatTimeout = 20 * time.Second
)

// replica is this process as one of those that share a ledger.
type replica struct {
	name     string
	requests map[int64]time.Time // that were seen, by account
	away     bool                // the ledger did not answer
}

func newReplica() *replica {
	host, err := os.Hostname()
	if err != nil {
		host = "?" // the process id is left
	}
	return &replica{name: fmt.Sprintf("%s:%d", host, os.Getpid()), requests: make(map[int64]time.Time)}
}

// beats takes part in what the processes that share the ledger do.
func (d *daemon) beats(ctx context.Context) {
	if d.shared == nil {
		return
	}
	r := newReplica()
	tick := time.NewTicker(beatInterval)
	defer tick.Stop()
	for {
		d.beat(ctx, r)
		select {
		case <-tick.C:
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = d.shared.Leave(ctx) // else the row shows when it was last heard of
			return
		}
	}
}

// beat tells of this process, plans what others have polled, and queues what users
// want.
func (d *daemon) beat(ctx context.Context, r *replica) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	sick := ""
	if err := d.Resources.Reach.Sick(); err != nil {
		sick = err.Error()
	}
	news, err := d.shared.Beat(ctx, ledger.Replica{Name: r.name, Version: d.Version, Started: d.began, Sick: sick})
	switch {
	case err != nil && ctx.Err() == nil && !r.away:
		d.Log.Warn("the ledger cannot be used now; nothing is sent and nothing deleted until it can", "error", err)
	case err == nil && r.away:
		d.Log.Info("the ledger can be used again")
	}
	if r.away = err != nil; r.away {
		return
	}
	if g := d.running(); g != nil {
		d.heed(g, r, news)
		g.app.TryServers(ctx)
	}
}

// heed plans by what others did, and queues what users want.
func (d *daemon) heed(g *generation, r *replica, news ledger.News) {
	for _, p := range news.Polled {
		g.sched.Heard(g.app.AccountName(p.Account), p.Began)
	}
	open := make(map[int64]time.Time, len(news.Requests))
	for _, q := range news.Requests {
		name := g.app.AccountName(q.Account)
		if open[q.Account] = q.At; name != "" && q.At.After(r.requests[q.Account]) {
			d.requests.add(name)
			g.sched.Queue(name)
		}
	}
	r.requests = open
}

// handOver has another process go on with an account whose poll was cut short because
// this one ends: they look for requests all the time, and at a leased account only now
// and then.
func (d *daemon) handOver(g *generation, name string) {
	if d.shared == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.stop.Context), time.Second)
	defer cancel()
	if err := d.shared.Request(ctx, g.app.IDs([]string{name})...); err != nil {
		d.Log.Warn("another popferry goes on with an account only when it looks at it again", "account", name, "error", err)
	}
}
