package mailboxes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/signin"
	"github.com/popferry/popferry/cmd/internal/talk"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/web"
)

// Change implements web.Mailboxes.
func (d *Desk) Change(name string, c web.Change, revision string) (*talk.Talk, error) {
	a, err := open(d.config(), name)
	if err != nil {
		return nil, err
	}
	if revision != a.revision() {
		return nil, fmt.Errorf("%s: %w", a.File, config.ErrChanged)
	}
	switch c {
	case web.Test:
		return d.start("Test "+name, func(ctx context.Context, f face) (string, error) { return d.test(ctx, f, a) }), nil
	case web.Pause:
		return nil, d.enable(a, false)
	case web.Resume:
		return nil, d.enable(a, true)
	case web.LogIn:
		if a.OAuth2 != nil {
			return d.start("Sign in again: "+name, func(ctx context.Context, f face) (string, error) { return d.signIn(ctx, f, a) }), nil
		}
		return d.start("Change the password of "+name, func(ctx context.Context, f face) (string, error) { return d.password(ctx, f, a) }), nil
	case web.Remove:
		return d.start("Remove "+name, func(ctx context.Context, f face) (string, error) { return d.remove(ctx, f, a) }), nil
	}
	return nil, fmt.Errorf("%q is nothing that can be done with a mailbox", c)
}

// with returns the configuration with this account alone, which is enabled.
func (a account) with(change func(*config.Account)) *config.Config {
	cfg, only := *a.cfg, a.Account
	only.Enabled = true
	change(&only)
	cfg.Accounts = []config.Account{only}
	return &cfg
}

// test tries the mailbox and where its mail goes.
func (d *Desk) test(ctx context.Context, f face, a account) (string, error) {
	if err := d.Setup.Page.Trial(ctx, f); err != nil {
		return "", err
	}
	ok, err := check.Run(ctx, check.Options{Config: a.with(func(*config.Account) {}), Resources: d.Resources, Ledger: d.Ledger, UsedOnly: true}, f)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", err
	case !ok:
		return "", errors.New("something does not work; see above")
	}
	return "Everything works.", nil
}

// load reads the configuration as the daemon will.
func (a account) load() (*config.Config, error) {
	return config.Load(a.cfg.Path, config.Env{CheckSchedule: schedule.Check})
}

// find returns the account as a configuration has it; nil: it has none of this name.
func (a account) find(cfg *config.Config) *config.Account {
	i := slices.IndexFunc(cfg.Accounts, func(other config.Account) bool { return other.Name == a.Name })
	if i < 0 {
		return nil
	}
	return &cfg.Accounts[i]
}

// enable sets whether the account is polled.
func (d *Desk) enable(a account, enabled bool) error {
	text, err := a.file.WithEnabled(enabled)
	if err != nil {
		return fmt.Errorf("%s: %w", a.File, err)
	}
	err = replace(a.File, a.text, text, func() error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		if now := a.find(cfg); now == nil || now.Enabled != enabled {
			return fmt.Errorf("%s was read back otherwise; please report this", a.File)
		}
		return nil
	})
	if err == nil {
		d.Selection.Set(a.Name, enabled)
		d.changed(a)
	}
	return err
}

// replace replaces the content of a file, and puts it back unless it is right.
func replace(path string, before, after []byte, right func() error) error {
	if err := config.Replace(path, before, after); err != nil {
		return err
	}
	if err := right(); err != nil {
		return errors.Join(err, config.Replace(path, after, before))
	}
	return nil
}

func (d *Desk) changed(a account) {
	d.Changed(setup.Result{Config: a.cfg.Path, Account: a.Name, Added: true})
}

// password asks for another password until the server takes one, and keeps that.
func (d *Desk) password(ctx context.Context, f face, a account) (string, error) {
	path := a.passwordFile()
	if path == "" {
		return "", fmt.Errorf("%s says where the password is; change it there", a.File)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	password, err := d.tryPasswords(ctx, f, a)
	if err != nil {
		return "", err
	}
	err = replace(path, before, []byte(password+"\n"), func() error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		now := a.find(cfg)
		if now == nil {
			return fmt.Errorf("there is no account %q any more; it was removed meanwhile", a.Name)
		}
		if got, err := now.Secret.Get(ctx); err != nil || got != password {
			return errors.Join(fmt.Errorf("the password of %s comes from elsewhere than %s; change it there", a.Name, path), err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	d.changed(a)
	if !a.Enabled {
		return "The new password is kept. The mailbox is paused.", nil
	}
	return "The new password is kept, and the mailbox is polled now.", d.Poll(a.Name)
}

// tryPasswords asks for a password that the server takes.
func (d *Desk) tryPasswords(ctx context.Context, f face, a account) (string, error) {
	for {
		password, err := f.Secret(ctx, "New password at "+a.Host)
		if err != nil {
			return "", err
		}
		if password == "" {
			continue
		}
		if err := d.Setup.Page.Trial(ctx, f); err != nil {
			return "", err
		}
		cfg := a.with(func(c *config.Account) { c.Secret = config.NewSecret(password) })
		ok, err := check.Run(ctx, check.Options{Config: cfg, Resources: d.Resources, Ledger: d.Ledger, AccountsOnly: true}, f)
		if ok || err != nil || ctx.Err() != nil {
			return password, errors.Join(err, context.Cause(ctx))
		}
		next, err := f.Choose(ctx, "The new password was not kept. Try again with", "another password", "quit")
		if err != nil || next == "quit" {
			return "", errors.Join(terminal.ErrStopped, err)
		}
	}
}

// signIn has the user sign in to the mailbox again.
func (d *Desk) signIn(ctx context.Context, f face, a account) (string, error) {
	target, err := signin.Find(a.cfg, a.Name)
	if err != nil {
		return "", err
	}
	if err := d.Setup.Page.Trial(ctx, f); err != nil {
		return "", err
	}
	ok, err := signin.Login(ctx, d.signInOptions(f, a), target)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", errors.New("you are signed in, but the mailbox cannot be used; see above")
	case !a.Enabled:
		return "You are signed in. The mailbox is paused.", nil
	}
	return "You are signed in, and the mailbox is polled now.", d.Poll(a.Name)
}

func (d *Desk) signInOptions(f face, a account) signin.Options {
	return signin.Options{Config: a.cfg, Ledger: d.Ledger, Resources: d.Resources, FrontEnd: f, Remote: d.Setup.Remote}
}

// removedEnding is that of an account's file while it is being removed: no include
// matches it.
const removedEnding = ".removed"

// remove removes the files of the account, its own first: without it nothing needs the
// other. The ledger keeps what was forwarded.
func (d *Desk) remove(ctx context.Context, f face, a account) (string, error) {
	if err := d.onlyCopies(ctx, a); err != nil {
		return "", err
	}
	f.Say("popferry will not collect the mail of %s any more. What is in the mailbox stays there.", a.Name)
	f.Say("It still knows what it has forwarded: if you set up the mailbox again, nothing comes twice. popferry forget %s removes that, too.", a.Name)
	if yes, err := f.Confirm(ctx, "Remove "+a.Name+" and its password from popferry", false); err != nil || !yes {
		return "", errors.Join(terminal.ErrStopped, err)
	}
	if now, err := open(a.cfg, a.Name); err != nil {
		return "", err
	} else if now.revision() != a.revision() {
		return "", fmt.Errorf("%s: %w", a.File, config.ErrChanged)
	}
	if err := os.Rename(a.File, a.File+removedEnding); err != nil {
		return "", err
	}
	if _, err := a.load(); err != nil {
		return "", errors.Join(fmt.Errorf("it cannot be removed: popferry needs at least one mailbox. Pause it, or set up another one first (%w)", err), os.Rename(a.File+removedEnding, a.File))
	}
	err := os.Remove(a.File + removedEnding)
	if path := a.passwordFile(); path != "" {
		err = errors.Join(err, os.Remove(path))
	}
	d.Selection.Set(a.Name, false)
	d.changed(a)
	if err == nil {
		err = d.signOut(ctx, f, a)
	}
	if path := a.clientSecretFile(); path != "" { // signing out needs it
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return "", err
	}
	return a.Name + " is removed.", nil
}

// onlyCopies refuses to remove an account while popferry has mail of it that is
// nowhere else.
func (d *Desk) onlyCopies(ctx context.Context, a account) error {
	without := *a.cfg
	without.Accounts = slices.DeleteFunc(slices.Clone(without.Accounts), func(other config.Account) bool { return other.Name == a.Name })
	found, err := copies.Look(ctx, d.Ledger, &without)
	if err != nil {
		return err
	}
	for _, s := range found.Stranded {
		if s.Account == a.Name {
			return fmt.Errorf("popferry has %s of %s that is nowhere else any more; it has to be delivered or skipped first: popferry messages --account %s",
				terminal.Count(s.Messages, "message"), a.Name, a.Name)
		}
	}
	return nil
}

// signOut ends the account's sign-in, unless others have the same.
func (d *Desk) signOut(ctx context.Context, f face, a account) error {
	if a.OAuth2 == nil {
		return nil
	}
	target, err := signin.Find(a.cfg, a.Name)
	if _, none := errors.AsType[*app.UsageError](err); none || err == nil && len(target.Sharing(a.cfg)) > 1 {
		return nil
	}
	if err != nil {
		return err
	}
	return signin.Logout(ctx, d.signInOptions(f, a), target)
}
