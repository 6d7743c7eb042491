package mailboxes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/web"
)

// managed are the accounts of a configuration that can be changed here.
type managed struct {
	cfg   *config.Config // nil: not known yet
	names []string
}

// account is one that can be changed here, with its file as it is now.
type account struct {
	config.Account
	cfg  *config.Config
	text []byte
	file config.AccountFile
}

// revision stands for what an account's file says.
func (a account) revision() string {
	sum := sha256.Sum256(a.text)
	return hex.EncodeToString(sum[:16])
}

// passwordFile is the file with its password; "": it signs in, or has its password
// elsewhere.
func (a account) passwordFile() string {
	path := setup.PasswordFile(a.File)
	if a.file.Get("password_file") != filepath.Base(path) {
		return ""
	}
	return path
}

// clientSecretFile is the file with the secret of its OAuth2 client; "": it has none, or
// has it elsewhere.
func (a account) clientSecretFile() string {
	path := setup.ClientSecretFile(a.File)
	if a.OAuth2 == nil || !bytes.Contains(a.text, []byte("client_secret_file: "+filepath.Base(path))) {
		return ""
	}
	return path
}

// Names implements web.Mailboxes. The files are looked at once for each configuration:
// a changed one comes with another.
func (d *Desk) Names() []string {
	cfg := d.config()
	if cfg == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.managed.cfg != cfg {
		d.managed = managed{cfg: cfg}
		for _, a := range cfg.Accounts {
			if _, err := open(cfg, a.Name); err == nil {
				d.managed.names = append(d.managed.names, a.Name)
			}
		}
	}
	return d.managed.names
}

// Mailbox implements web.Mailboxes.
func (d *Desk) Mailbox(name string) (web.Mailbox, error) {
	a, err := open(d.config(), name)
	if err != nil {
		return web.Mailbox{}, err
	}
	return web.Mailbox{
		Name: a.Name, Username: a.Username, Host: a.Host, File: a.File, Enabled: a.file.Get("enabled") != "false" && d.Selection.Has(name),
		SignsIn: a.OAuth2 != nil, Revision: a.revision(),
	}, nil
}

// open returns an account that can be changed here. The error says why another one
// cannot.
func open(cfg *config.Config, name string) (account, error) {
	if cfg == nil {
		return account{}, errors.New("popferry has no configuration that can be used; its log says why")
	}
	i := slices.IndexFunc(cfg.Accounts, func(a config.Account) bool { return a.Name == name })
	if i < 0 {
		return account{}, fmt.Errorf("there is no account %q; it may have been removed", name)
	}
	a := account{Account: cfg.Accounts[i], cfg: cfg}
	if cfg.Shared != nil {
		return a, errors.New("several popferrys may share this ledger, each with a configuration of its own; change those by hand")
	}
	var err error
	if a.text, err = os.ReadFile(a.File); err != nil {
		return a, err
	}
	if !setup.Wrote(a.text) {
		return a, fmt.Errorf("%s was written by hand; change it there", a.File)
	}
	if a.file, err = config.ParseAccountFile(a.text); err != nil {
		return a, fmt.Errorf("%s: %w", a.File, err)
	}
	return a, nil
}
