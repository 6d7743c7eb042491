package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

const (
	program    = "popferry"
	configName = program + ".yaml"
	stateName  = program + ".db"
)

// NotFoundError: there is no configuration in any of the usual places.
type NotFoundError struct {
	Looked []string // the places
}

// Error names the places and says what to do.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no configuration found (looked for %s); name one with --config or $POPFERRY_CONFIG, or create one with popferry init",
		strings.Join(e.Looked, ", "))
}

// Find returns the path of the configuration: the flag's, that of
// $POPFERRY_CONFIG, or the first that exists of ./popferry.yaml,
// $XDG_CONFIG_HOME/popferry/popferry.yaml and /etc/popferry/popferry.yaml.
// The error is a *NotFoundError.
func Find(flag string, env Env) (string, error) {
	env = env.orDefaults()
	if flag != "" {
		return flag, nil
	}
	if path := env.Getenv("POPFERRY_CONFIG"); path != "" {
		return path, nil
	}
	places := []string{configName}
	if dir := xdg(env, "XDG_CONFIG_HOME", ".config"); dir != "" {
		places = append(places, filepath.Join(dir, program, configName))
	}
	places = append(places, filepath.Join("/etc", program, configName))
	for _, path := range places {
		if env.Exists(path) {
			return path, nil
		}
	}
	return "", &NotFoundError{Looked: places}
}

// DefaultState returns the default path of the ledger: in the service manager's
// state folder or in the user's; "" if neither is known.
func DefaultState(env Env) string {
	env = env.orDefaults()
	// systemd separates several folders with colons.
	if dir, _, _ := strings.Cut(env.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return filepath.Join(dir, stateName)
	}
	if dir := xdg(env, "XDG_STATE_HOME", ".local/state"); dir != "" {
		return filepath.Join(dir, program, stateName)
	}
	return ""
}

// xdg returns a folder of the XDG Base Directory Specification, which says to
// ignore relative paths.
func xdg(env Env, variable, fallback string) string {
	if dir := env.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	if home := env.Getenv("HOME"); home != "" {
		return filepath.Join(home, fallback)
	}
	return ""
}
