package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
)

// Page is what holds for a set-up in a browser. Who sits there may know the page's
// password without being the owner of this machine. So no file is read for them and
// no program is run, servers are tried on the ports of mail alone, and none is taken
// without TLS and a verified certificate.
type Page struct {
	// Trial is called before servers are tried, and waits until that is allowed.
	Trial func(context.Context, Output) error
	// CAFile is an authority of their own, named by the owner of this machine; "": none.
	CAFile string
	// Settings are those of the page itself that a new configuration has. Its
	// password is asked for.
	Settings PageSettings
}

// PageSettings are where the status page of a new configuration listens, and how.
type PageSettings struct {
	Listen            string // host:port; "": there is no page
	CertFile, KeyFile string // absolute; "": no TLS
	Hosts             []string
	Password          config.Secret
}

// web is the mapping of that name.
func (p PageSettings) web(passwordFile string) config.Section {
	k := config.Section{{Key: "password_file", Value: passwordFile}}
	if len(p.Hosts) > 0 {
		k = append(k, config.Pair{Key: "hosts", Value: p.Hosts})
	}
	return k
}

// checkPage refuses what a page does not offer. The form has no such fields: a post
// that has them comes from another one.
func (s *setup) checkPage() error {
	if s.page == nil {
		return nil
	}
	in := s.in
	offered := Input{Address: in.Address, To: in.To, Forward: in.Forward, Protocol: in.Protocol, Inbox: Server{Host: in.Inbox.Host, Port: in.Inbox.Port}}
	if in != offered {
		return errors.New("this can be set by popferry init alone, not on the page")
	}
	s.in.CAFile = s.page.CAFile
	if in.Inbox.Host == "" {
		return nil
	}
	x := &endpoint{setup: s, protocol: discover.Submission}
	return x.allowed(x.protocolAt(in.Inbox.hint()), in.Inbox.hint())
}

// allowed returns why a server that the user has named on a page is not tried; nil: it
// is.
func (x *endpoint) allowed(p discover.Protocol, h discover.Hint) error {
	switch {
	case x.page == nil:
	case h.IsSocket():
		return fmt.Errorf("%q is a socket; popferry init, at a terminal, can use it", h.Host)
	case h.Port != 0 && !x.rules.MailPort(p, h.Port):
		return fmt.Errorf("%d is not a port of mail servers; popferry init, at a terminal, can use it", h.Port)
	}
	return nil
}

// withoutClear leaves out servers without TLS, which a page does not offer.
func (x *endpoint) withoutClear(list []discover.Candidate) []discover.Candidate {
	if x.page == nil {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(c discover.Candidate) bool { return c.TLS == dial.None })
}

// beginTrial waits until servers may be tried.
func (x *endpoint) beginTrial(ctx context.Context) error {
	if x.page == nil || x.page.Trial == nil {
		return nil
	}
	return x.page.Trial(ctx, x)
}

// choosePage settles the password of the page of a new configuration.
func (s *setup) choosePage(ctx context.Context) (PageSettings, error) {
	if s.page == nil || s.target.Existing != nil || s.page.Settings.Listen == "" {
		return PageSettings{}, nil
	}
	p := s.page.Settings
	s.Say("This page stays at %s: it shows how the mailboxes are, and is where you change them or add more.", p.Listen)
	for {
		password, err := s.Secret(ctx, fmt.Sprintf("Choose a password for this page (at least %d characters)", config.MinPagePassword))
		if err != nil {
			return p, err
		}
		if utf8.RuneCountInString(password) >= config.MinPagePassword && strings.TrimSpace(password) == password {
			p.Password = config.NewSecret(password)
			return p, nil
		}
		s.Say("  ! It needs at least %d characters, and no space at either end.", config.MinPagePassword)
	}
}

// unwritable reports whether a file could not be written because nobody or not this
// user may write there.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// show shows the files instead of writing them, without what is secret.
func (s *setup) show(files []File, why string) error {
	s.shown = true
	s.Say("  ! %s", why)
	s.Say("Write these files by hand, readable by popferry alone:")
	for _, f := range files {
		if f.Text == nil {
			s.Say("%s\n\n    (the password, in one line)", f.Path)
			continue
		}
		s.Say("%s\n\n%s", f.Path, indent(string(f.Text)))
		if strings.Contains(string(f.Text), "oauth2:") {
			s.Say("Then sign in: popferry login %s", strings.TrimSuffix(filepath.Base(f.Path), accountEnding))
		}
	}
	return nil
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
