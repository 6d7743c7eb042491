package signin

import (
	"context"
	"fmt"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/spelling"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder/imap"
)

// Target is a server of the configuration that is signed in to.
type Target struct {
	Name        string
	Server      config.Server
	account     *config.Account // or else
	destination *config.Destination
}

// Targets are the accounts and destinations of a configuration that are signed in to.
func Targets(cfg *config.Config) (list []Target) {
	for i := range cfg.Accounts {
		if a := &cfg.Accounts[i]; a.OAuth2 != nil {
			list = append(list, Target{Name: a.Name, Server: a.Server, account: a})
		}
	}
	for i := range cfg.Forward {
		if d := &cfg.Forward[i]; d.OAuth2 != nil {
			list = append(list, Target{Name: d.Name, Server: d.Server, destination: d})
		}
	}
	return list
}

// Find returns the account or else the destination of this name. The error is an
// *app.UsageError if there is none, and an *app.ConfigError if it has no oauth2.
func Find(cfg *config.Config, name string) (Target, error) {
	for _, t := range Targets(cfg) {
		if t.Name == name {
			return t, nil
		}
	}
	var names []string
	without := ""
	for _, a := range cfg.Accounts {
		names = append(names, a.Name)
		if a.Name == name {
			without = fmt.Sprintf("%s:%d: accounts[%s]", a.File, a.Line, name)
		}
	}
	for _, d := range cfg.Forward {
		names = append(names, d.Name)
		if d.Name == name {
			without = fmt.Sprintf("%s:%d: forward[%s]", d.File, d.Line, name)
		}
	}
	if without != "" {
		return Target{}, &app.ConfigError{Err: fmt.Errorf("%s has no oauth2, so that there is nothing to sign in to; popferry help oauth2 says how", without)}
	}
	return Target{}, &app.UsageError{Err: fmt.Errorf("there is no account or destination %q in %s%s", name, cfg.Path, spelling.Suggest(name, names))}
}

// Sharing returns the names of all accounts and destinations that have the same
// sign-in as the target, itself included.
func (t Target) Sharing(cfg *config.Config) (names []string) {
	all := app.NewSignIns(cfg)
	key := all.Client(t.Server).Key()
	for _, other := range Targets(cfg) {
		if all.Client(other.Server).Key() == key {
			names = append(names, other.Name)
		}
	}
	return names
}

// try logs in to the server with the access token that the configuration has now,
// and reports each step.
func (t Target) try(ctx context.Context, r app.Resources, report func(probe.Step)) error {
	dialer, err := r.Dialer(t.Server)
	if err != nil {
		return err
	}
	if t.account != nil {
		return probe.Account(ctx, probe.Mailbox{
			Dialer:      dialer,
			Credentials: pop3.Credentials{Method: pop3.Method(t.Server.Auth), Username: t.Server.Username, Secret: t.Server.Secret.Get, Token: true},
			Timeout:     t.Server.Timeout,
			MaxListing:  t.account.MaxListing,
			Judge:       func(l pop3.Listing) (string, error) { return terminal.Count(len(l.Entries), "message"), nil },
		}, report)
	}
	if t.destination.Protocol != config.ProtocolIMAP {
		_, err = probe.Destination(ctx, probe.Relay{Name: t.Name, Dialer: dialer, Options: app.SMTPOptions(*t.destination)}, report)
		return err
	}
	_, err = probe.Store(ctx, probe.Inbox{
		Name: t.Name, Dialer: dialer, Folders: []string{t.destination.Folder},
		Open: func(l probe.Link) probe.Checker {
			o := app.IMAPOptions(*t.destination)
			o.Dial, o.StartTLS, o.Greeted, o.Passed = l.Dial, l.StartTLS, l.Greeted, l.Passed
			return imap.New(o)
		},
	}, report)
	return err
}
