package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/probe"
)

// maxNames is how many user names are tried with one password: servers lock out
// clients that try too often.
const maxNames = 2

// logIn tries the server until that succeeds or the user gives up.
func (x *endpoint) logIn(ctx context.Context) error {
	for again := false; ; again = true {
		if again {
			if err := x.beginTrial(ctx); err != nil {
				return err
			}
		}
		err := x.tryNames(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !x.Interactive() {
			why := cause.Of(err).What
			if errors.Is(err, probe.ErrRefused) {
				why = err.Error()
			}
			return fmt.Errorf("the %s %s cannot be used: %s; nothing was written", x.name, x.server.Addr(), why)
		}
		if err := x.change(ctx); err != nil {
			return err
		}
	}
}

// tryNames tries the forms of the user name: the next one only if the server
// refused the login itself.
func (x *endpoint) tryNames(ctx context.Context) error {
	if x.secret.IsZero() {
		err := x.tryName(ctx, "", true)
		if err != nil && x.server.TLS != dial.None && cause.Of(err).Code != "wants_login" {
			x.Say("    The server may require a login: try again with a password.")
		}
		return err
	}
	var err error
	names := x.usernames[:min(len(x.usernames), maxNames)]
	for i, name := range names {
		if i > 0 {
			x.Say("  and as %s:", name)
		}
		if err = x.tryName(ctx, name, i == len(names)-1); err == nil {
			x.usernames = []string{name}
			return nil
		}
		if !wrongName(cause.Of(err)) {
			break
		}
	}
	return err
}

// wrongName reports whether another form of the user name may help.
func wrongName(c cause.Cause) bool { return c.Code == "credentials" || c.Code == "forward_auth" }

// tryName tries one user name and shows the steps. Steps that the search has
// taken before are shown only if they fail now.
func (x *endpoint) tryName(ctx context.Context, name string, last bool) error {
	taken := []string{probe.StepName, probe.StepConnect, probe.StepTLS, probe.StepGreeting}
	return x.try(ctx, name, func(step probe.Step) {
		if step.Err == nil && slices.Contains(taken, step.Name) {
			return
		}
		if step.Name == probe.StepLogin {
			step.Note = "as " + name
		}
		x.Step(check.NewStep(step, x.remedy(step.Err, last)))
	})
}

// remedy is what to do about a failure; last: no other user name is tried.
func (x *endpoint) remedy(err error, last bool) string {
	if err == nil {
		return ""
	}
	c := cause.Of(err)
	switch {
	case wrongName(c) && !last:
		return ""
	case c.Code == "wants_login" && x.secret.IsZero():
		return "Try again with a password."
	}
	return check.LoginAdvice(config.Server{Host: x.server.Host, Username: x.firstUsername()}, c)
}

// change asks what to try instead.
func (x *endpoint) change(ctx context.Context) error {
	secret := "password"
	if x.login != nil {
		secret = "sign-in"
	}
	what, err := x.Choose(ctx, "Try again with another", secret, "user name", "server", "address", "quit")
	if err != nil {
		return err
	}
	switch what {
	case "sign-in":
		return x.signIn(ctx)
	case "password":
		return x.askPassword(ctx)
	case "user name":
		x.username, err = x.Ask(ctx, "User name", x.firstUsername())
		x.usernames = []string{x.username}
		return err
	case "address":
		return x.changeAddress(ctx)
	case "server":
		hint, err := x.askServer(ctx)
		if err != nil {
			return err
		}
		err = x.find(ctx, hint)
		if x.protocol != discover.POP3 && x.inClear() {
			x.secret = config.Secret{} // it was meant for another server
		}
		return err
	}
	return ErrStopped
}

// changeAddress asks for another address. If its domain is another one, so is its
// server, which must not get the password that was meant for the first.
func (x *endpoint) changeAddress(ctx context.Context) error {
	before := x.address
	if err := x.askAddress(ctx, ""); err != nil {
		return err
	}
	if x.address.Domain == before.Domain {
		for i, name := range x.usernames { // those that were made of the address
			switch name {
			case before.Full:
				x.usernames[i] = x.address.Full
			case before.Local:
				x.usernames[i] = x.address.Local
			}
		}
		return nil
	}
	x.secret, x.login = config.Secret{}, nil
	if err := x.find(ctx, x.given.hint()); err != nil {
		return err
	}
	if x.protocol == discover.POP3 {
		x.showNotes(x.provider)
		return x.mailboxSecret(ctx)
	}
	return x.inboxPassword(ctx)
}

// askPassword asks for the password. An empty one means no login, where that is
// possible.
func (x *endpoint) askPassword(ctx context.Context) error {
	// No provider takes mail without a login.
	optional := x.protocol != discover.POP3 && x.protocol != discover.IMAP && x.provider == nil
	question := fmt.Sprintf("Password at %s (not shown)", x.server.Host)
	if optional {
		question = fmt.Sprintf("Password at %s (not shown; empty if no login is needed)", x.server.Host)
	}
	for {
		password, err := x.Secret(ctx, question)
		if err != nil {
			return err
		}
		if password != "" {
			return x.takePassword(ctx, password)
		}
		if optional {
			x.secret = config.Secret{}
			return nil
		}
	}
}

// takePassword takes a password. Spaces around it come along when it is copied,
// and cannot be seen.
func (x *endpoint) takePassword(ctx context.Context, password string) error {
	if trimmed := strings.TrimSpace(password); trimmed != password && trimmed != "" {
		remove, err := x.Confirm(ctx, "The password begins or ends with a space. Remove it", true)
		if err != nil {
			return err
		}
		if remove {
			password = trimmed
		}
	}
	x.secret = config.NewSecret(password)
	return nil
}

// readPassword reads the first line of a file, which may be a pipe.
func readPassword(path string) (config.Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return config.Secret{}, fmt.Errorf("reading the password: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return config.Secret{}, fmt.Errorf("there is no password in the first line of %s", path)
	}
	return config.NewSecret(line), nil
}
