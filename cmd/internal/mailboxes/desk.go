package mailboxes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/talk"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Options are what a Desk works with.
type Options struct {
	// Setup is what all set-ups have in common. Its Page is completed here, and what is
	// asked is not in it.
	Setup setup.Options
	// Config returns the present configuration; nil: there is none yet. It is not
	// called, and there is no Ledger, before the first set-up.
	Config    func() *config.Config
	Ledger    ledger.Store
	Resources app.Resources
	// Changed is called when files have been written, changed or removed.
	Changed func(setup.Result)
	// Selection are the accounts that are polled if they are enabled; nil: all.
	Selection Selection
	// Poll has an account polled now.
	Poll func(account string) error
}

// Selection are the accounts that popferry polls where its user has named some.
type Selection interface {
	Has(account string) bool
	Set(account string, polled bool)
}

// everything is the Selection of all accounts.
type everything struct{}

func (everything) Has(string) bool  { return true }
func (everything) Set(string, bool) {}

// Desk is where the page's forms arrive. Its methods may be used concurrently.
type Desk struct {
	Options
	ctx context.Context // of the talks

	mu      sync.Mutex
	last    *talk.Talk // nil: none was begun
	added   bool       // by the first set-up
	managed managed
}

// New returns a desk whose talks end with ctx. Close it at the end.
func New(ctx context.Context, o Options) *Desk {
	d := &Desk{Options: o, ctx: ctx}
	if d.Selection == nil {
		d.Selection = everything{}
	}
	page := setup.Page{}
	if o.Setup.Page != nil {
		page = *o.Setup.Page
	}
	page.Trial = new(trials).begin
	d.Setup.Page = &page
	return d
}

// Close ends what is being done.
func (d *Desk) Close() {
	d.mu.Lock()
	last := d.last
	d.mu.Unlock()
	if last != nil {
		last.Stop()
	}
}

// start begins a talk.
func (d *Desk) start(title string, do func(context.Context, face) (done string, err error)) *talk.Talk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = talk.Start(d.ctx, title, func(ctx context.Context, t *talk.Talk) (string, error) { return do(ctx, face{t}) })
	return d.last
}

// Offer implements web.Mailboxes.
func (d *Desk) Offer() (web.Offer, error) {
	cfg := d.config()
	if cfg == nil {
		return web.Offer{First: true}, d.mayAddFirst()
	}
	var o web.Offer
	for _, f := range cfg.Forward {
		o.Destinations = append(o.Destinations, f.Name)
	}
	return o, nil
}

// config is the present configuration; nil: there is none.
func (d *Desk) config() *config.Config {
	if d.Config == nil {
		return nil
	}
	return d.Config()
}

// mayAddFirst returns an error once the first set-up is done.
func (d *Desk) mayAddFirst() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.added {
		return errors.New("popferry is set up; more mailboxes can be added on its status page")
	}
	return nil
}

// Add implements web.Mailboxes.
func (d *Desk) Add(m web.NewMailbox) (*talk.Talk, error) {
	o := d.Setup
	var err error
	if o.Input, err = input(m); err != nil {
		return nil, err
	}
	if cfg := d.config(); cfg != nil {
		o.Config = cfg.Path
	} else if err := d.mayAddFirst(); err != nil {
		return nil, err
	}
	return d.start("Add a mailbox", func(ctx context.Context, f face) (string, error) {
		o.FrontEnd = f
		result, err := setup.Run(ctx, o)
		switch {
		case err != nil:
			return "", err
		case result.Shown && d.config() == nil:
			return "Everything works. Write the files that are shown above, stop popferry, and start it again with popferry run.", nil
		case result.Shown:
			return "Everything works. Write the files that are shown above: a running popferry picks them up by itself.", nil
		}
		d.mu.Lock()
		d.added = true
		d.mu.Unlock()
		d.Selection.Set(result.Account, true)
		d.Changed(result)
		return result.Account + " is set up. popferry collects its mail now; the status page shows how far it is.", nil
	}), nil
}

// lmtpPort is where LMTP is looked for on a page, which offers no socket.
const lmtpPort = 24

// input checks the form for a new mailbox.
func input(m web.NewMailbox) (setup.Input, error) {
	in := setup.Input{Address: strings.TrimSpace(m.Address), To: strings.TrimSpace(m.To), Forward: m.Forward, Protocol: m.Protocol}
	in.Inbox.Host = strings.TrimSpace(m.Server)
	if _, err := discover.ParseAddress(in.Address); err != nil {
		return in, fmt.Errorf("the mailbox: %w", err)
	}
	if in.To != "" {
		if _, err := discover.ParseAddress(in.To); err != nil {
			return in, fmt.Errorf("the inbox: %w", err)
		}
	}
	if in.Inbox.Host != "" {
		if err := setup.CheckServer(in.Inbox.Host); err != nil {
			return in, fmt.Errorf("the server of the inbox: %w", err)
		}
	}
	if in.Protocol == config.ProtocolLMTP {
		switch {
		case in.Inbox.Host == "":
			return in, errors.New("LMTP needs the server of the inbox")
		case strings.HasPrefix(in.Inbox.Host, "unix:"):
			return in, errors.New("popferry init, at a terminal, can set up a socket; this page cannot")
		case !strings.Contains(in.Inbox.Host, ":"):
			in.Inbox.Port = lmtpPort
		}
	}
	return in, in.Check()
}
