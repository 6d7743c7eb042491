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
	Here   bool     // the current folder has one
}

// Error names the places and says what to do.
func (e *NotFoundError) Error() string {
	looked := fmt.Sprintf("no configuration found (looked for %s)", strings.Join(e.Looked, ", "))
	if e.Here {
		return looked + "; to use the one in the current folder, type --config " + configName
	}
	return looked + "; name one with --config or $POPFERRY_CONFIG, or create one with popferry init"
}

// Find returns the path of the configuration: the flag's, that of
// $POPFERRY_CONFIG, or the first that exists of the usual places. The error is a
// *NotFoundError.
//
// The current folder is none of these places: whoever it belongs to could have put
// a configuration there, which names programs to run.
func Find(flag string, env Env) (string, error) {
	env = env.orDefaults()
	if flag != "" {
		return flag, nil
	}
	if path := env.Getenv("POPFERRY_CONFIG"); path != "" {
		return path, nil
	}
	places := usual(env)
	for _, path := range places {
		if env.Exists(path) {
			return path, nil
		}
	}
	return "", &NotFoundError{Looked: places, Here: env.Exists(configName)}
}

// Place is Find for a command that writes a configuration. If there is none it
// returns where Find will look for the new one: in the user's folder, or for root
// in /etc.
func Place(flag string, env Env) string {
	env = env.orDefaults()
	path, err := Find(flag, env)
	if err == nil {
		return path
	}
	places := usual(env)
	if env.Guard.Root() {
		return places[len(places)-1]
	}
	return places[0]
}

// usual are the places for a configuration: the user's, if that is known, and the
// system's.
func usual(env Env) (places []string) {
	if dir := xdg(env, "XDG_CONFIG_HOME", ".config"); dir != "" {
		places = append(places, filepath.Join(dir, program, configName))
	}
	return append(places, filepath.Join("/etc", program, configName))
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
	for _, variable := range homes {
		if home := env.Getenv(variable); home != "" {
			return filepath.Join(home, fallback)
		}
	}
	return ""
}

// homes are the variables with the user's folder.
var homes = []string{"HOME", "USERPROFILE"} // the latter on Windows
