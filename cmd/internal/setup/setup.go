package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Options are what a set-up works with.
type Options struct {
	Input     Input // checked
	FrontEnd  FrontEnd
	Silent    string            // why nothing can be asked, if the front end is not interactive
	Config    string            // the configuration's file; "": at the usual places
	Network   *dial.Network     // for connections to mail servers
	Resolver  *net.Resolver     // nil: the system's
	Transport http.RoundTripper // for autoconfig; nil: the usual one
	Rules     discover.Rules    // for servers that the user has not named
	// IMAP opens a mailbox as a destination, to be tried. nil: its login cannot be
	// tried.
	IMAP IMAP
	// Remote means that there is probably no browser on this machine.
	Remote bool
	Page   *Page // nil: the user is at a terminal
}

// IMAP opens a mailbox with a password or, if token is set, an access token.
type IMAP func(l probe.Link, username string, secret func(context.Context) (string, error), token bool) probe.Checker

// Result is what was set up.
type Result struct {
	Config  string // the configuration's file
	Account string
	Ledger  string // where it is noted what was forwarded; "": nothing was written
	Added   bool   // to a configuration that was there already
	Shown   bool   // nothing could be written, and the user was shown what to write
}

// setup is one run.
type setup struct {
	FrontEnd
	in          Input
	target      Target
	imap        IMAP
	remote      bool
	page        *Page
	rules       discover.Rules
	shown       bool
	ledger      string
	finder      *discover.Finder
	destination config.Destination // of an existing configuration: where the mail goes
	listed      listed
}

// listed is how much mail is in the mailbox.
type listed struct {
	messages int
	octets   int64
}

// Run sets up a mailbox. An error leaves no files behind. It is ErrStopped if
// the user or the end of ctx stopped it, an *app.UsageError for a mistake in the
// input, and an *app.ConfigError for a configuration that cannot be added to.
func Run(ctx context.Context, o Options) (Result, error) {
	s := &setup{FrontEnd: o.FrontEnd, in: o.Input, imap: o.IMAP, remote: o.Remote, page: o.Page, rules: o.Rules}
	var err error
	if s.target, err = findTarget(o.Config); err != nil {
		return Result{}, err
	}
	if s.page == nil { // which shows what cannot be written
		if err := s.target.checkWritable(); err != nil {
			return Result{}, err
		}
	}
	if err := cmp.Or(s.checkInput(o.Silent), s.checkPage()); err != nil {
		return Result{}, &app.UsageError{Err: err}
	}
	route, err := s.route()
	if err != nil {
		return Result{}, err
	}
	if o.Network == nil {
		o.Network = dial.NewNetworkWith(o.Resolver)
	}
	o.Network = o.Network.Via(app.DialRoute(route))
	s.finder = discover.New(discover.Options{Resolver: o.Resolver, Transport: o.Transport, Network: o.Network, CAFile: s.in.CAFile, Rules: o.Rules})
	answers, err := s.answers(ctx)
	answers.Proxy, answers.ProxyPassword = s.in.Proxy, route.Proxy.Password
	if err == nil {
		err = s.write(ctx, answers)
	}
	if err != nil && ctx.Err() != nil {
		s.Say("") // below the question
		err = ErrStopped
	}
	if errors.Is(err, terminal.ErrStopped) {
		err = ErrStopped
	}
	return Result{Config: s.target.Config, Account: answers.Name, Ledger: s.ledger, Added: s.target.Existing != nil, Shown: s.shown}, err
}

// route is how the servers are reached that are not on this machine.
func (s *setup) route() (r config.Route, err error) {
	if s.target.Existing != nil {
		return s.target.Existing.Route, nil
	}
	if r.Proxy, err = config.ParseProxy(s.in.Proxy); err != nil {
		return r, &app.UsageError{Err: err}
	}
	if s.in.ProxyPasswordFile != "" {
		r.Proxy.Password, err = readPassword(s.in.ProxyPasswordFile)
	}
	return r, err
}

// checkInput checks the input against the target and the front end.
func (s *setup) checkInput(silent string) error {
	existing := s.target.Existing != nil
	if existing && (s.in.Inbox != Server{} || s.in.Protocol != "" || s.in.Maildir != "") {
		return fmt.Errorf("%s has its destinations already; change them there, or choose one of them with --forward", s.target.Config)
	}
	if existing && s.in.Proxy != "" {
		return fmt.Errorf("%s says already how servers are reached; set proxy there", s.target.Config)
	}
	if s.Interactive() {
		return nil
	}
	if missing := s.in.missing(existing); len(missing) > 0 {
		return fmt.Errorf("%s; required flags: %s", silent, strings.Join(missing, ", "))
	}
	return nil
}

// answers finds and tries the servers, and asks for what is not known.
func (s *setup) answers(ctx context.Context) (a Answers, err error) {
	a = Answers{Target: s.target, From: s.in.From, To: s.in.To, Forward: s.in.Forward}
	if a.CAFile = s.in.CAFile; a.CAFile != "" {
		if path, err := filepath.Abs(a.CAFile); err == nil { // the configuration is in another folder
			a.CAFile = path
		}
	}
	if a.Mailbox, err = s.findMailbox(ctx); err != nil {
		return a, err
	}
	if s.target.Existing != nil {
		err = s.chooseDestination()
	} else {
		a.Inbox, err = s.findInbox(ctx)
	}
	if err != nil {
		return a, err
	}
	if err := s.checkMailbox(a.Mailbox); err != nil {
		return a, err
	}
	if a.Name, err = s.chooseName(ctx, a.Mailbox.Address.Full); err != nil {
		return a, err
	}
	if a.Leave, err = s.chooseLeave(ctx); err != nil {
		return a, err
	}
	if a.FirstRun, err = s.chooseFirstRun(ctx); err != nil {
		return a, err
	}
	a.Page, err = s.choosePage(ctx)
	return a, err
}
