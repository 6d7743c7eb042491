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

// NotFoundError says that there is no configuration at the usual places.
type NotFoundError struct {
	Looked []string
}

// Error says where it was looked for and what to do.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no configuration found; looked for %s; name it with --config or $POPFERRY_CONFIG, or have popferry init make one",
		strings.Join(e.Looked, ", "))
}

// Find returns the path of the configuration: the flag's, that of
// $POPFERRY_CONFIG, or the first that is there of ./popferry.yaml,
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

// DefaultState returns the ledger's place: the service manager's folder, or
// the person's; "" if neither is known.
func DefaultState(env Env) string {
	env = env.orDefaults()
	// systemd separates several folders by colons.
	if dir, _, _ := strings.Cut(env.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return filepath.Join(dir, stateName)
	}
	if dir := xdg(env, "XDG_STATE_HOME", ".local/state"); dir != "" {
		return filepath.Join(dir, program, stateName)
	}
	return ""
}

// xdg returns a folder of the XDG Base Directory Specification. It says that a
// relative path is to be ignored.
func xdg(env Env, variable, fallback string) string {
	if dir := env.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	if home := env.Getenv("HOME"); home != "" {
		return filepath.Join(home, fallback)
	}
	return ""
}
