package app

import (
	"fmt"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/spelling"
)

// Load finds and reads the configuration. An empty path means the usual places.
// Errors are of type *ConfigError.
func Load(path string) (*config.Config, error) { return load(path, false) }

// LoadReadOnly is Load for a command that does not log in anywhere: files with
// passwords need not be readable, as systemd's credentials are not.
func LoadReadOnly(path string) (*config.Config, error) { return load(path, true) }

func load(path string, readOnly bool) (*config.Config, error) {
	env := config.Env{CheckSchedule: schedule.Check, ReadOnly: readOnly}
	path, err := config.Find(path, env)
	if err != nil {
		return nil, &ConfigError{Err: err}
	}
	cfg, err := config.Load(path, env)
	if err != nil {
		return nil, &ConfigError{Err: fmt.Errorf("the configuration cannot be used:\n%w", err)}
	}
	return cfg, nil
}

// Select enables the named accounts and disables all others; without names it
// changes nothing. A name that is not in the configuration is an error.
func Select(cfg *config.Config, names []string) error {
	if len(names) == 0 {
		return nil
	}
	index := make(map[string]int, len(cfg.Accounts))
	for i := range cfg.Accounts {
		index[cfg.Accounts[i].Name] = i
		cfg.Accounts[i].Enabled = false
	}
	for _, name := range names {
		i, ok := index[name]
		if !ok {
			return UnknownAccount(cfg, name)
		}
		cfg.Accounts[i].Enabled = true
	}
	return nil
}

// UnknownAccount is the error for an account that is not in the configuration.
// It names the account that was probably meant, or else all if they are few.
func UnknownAccount(cfg *config.Config, name string) error {
	const few = 5
	var names []string
	for _, a := range cfg.Accounts {
		names = append(names, a.Name)
	}
	hint := spelling.Suggest(name, names)
	if hint == "" && len(names) > 0 && len(names) <= few {
		hint = "; it has: " + strings.Join(names, ", ")
	}
	return fmt.Errorf("there is no account %q in %s%s", name, cfg.Path, hint)
}
