package legacy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Env is whose files are read.
type Env struct {
	Getenv func(string) string // required
	User   string              // the login name
}

// ErrProgram: the files of this program are not known.
var ErrProgram = errors.New("the files of this program are not known")

// Read reads the files of a program, or those at its usual places if none is
// named. States are the files, or their folders, with the UIDs of fetched
// messages, where they are not at their usual places.
func Read(program string, env Env, files, states []string) (*Setup, error) {
	for _, path := range states {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("reading which messages were fetched: %w", err)
		}
	}
	r := &reader{env: env, states: states, opened: make(map[string]bool), setup: &Setup{}}
	read, places := r.fetchmail, r.fetchmailPlaces
	switch program {
	case "fetchmail":
	case "getmail":
		read, places = r.getmail, r.getmailPlaces
	case "mpop":
		read, places = r.mpop, r.mpopPlaces
	default:
		return nil, fmt.Errorf("%w: %q; there are %s", ErrProgram, program, strings.Join(Programs(), ", "))
	}
	if len(files) == 0 {
		usual := places()
		if files = present(usual); len(files) == 0 {
			return nil, fmt.Errorf("%s has no configuration at its usual places (%s); name its file", program, strings.Join(usual, ", "))
		}
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration of %s: %w", program, err)
		}
		before := len(r.setup.Remarks)
		if err := read(path, string(text)); err != nil {
			return nil, err
		}
		slices.SortStableFunc(r.setup.Remarks[before:], func(a, b Remark) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	}
	r.warnOfSeen(program)
	r.warnOfUnread()
	return r.setup, nil
}

// Programs are those whose files can be read.
func Programs() []string { return []string{"fetchmail", "getmail", "mpop"} }

// reader is the work on one program's files.
type reader struct {
	env    Env
	states []string
	opened map[string]bool // records that were read
	setup  *Setup
}

// home is a path in the home folder.
func (r *reader) home(elem ...string) string {
	return filepath.Join(append([]string{r.env.Getenv("HOME")}, elem...)...)
}

// xdgConfig is a path in the folder of the XDG Base Directory Specification.
func (r *reader) xdgConfig(elem ...string) string {
	if dir := r.env.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(append([]string{dir}, elem...)...)
	}
	return r.home(append([]string{".config"}, elem...)...)
}

// expand is a path as the other program meant it: with the home folder for ~,
// and seen from dir.
func (r *reader) expand(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return r.home(rest)
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	if abs, err := filepath.Abs(filepath.Join(dir, path)); err == nil {
		return abs
	}
	return filepath.Join(dir, path)
}

// present is the first of the paths where there is a file. A folder stands for
// all files in it but those of getmail's own.
func present(paths []string) []string {
	for _, path := range paths {
		if isFile(path) {
			return []string{path}
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			continue
		}
		var files []string
		for _, e := range entries {
			name := e.Name()
			if e.Type().IsRegular() && !strings.HasPrefix(name, "oldmail-") && !strings.HasPrefix(name, ".") && filepath.Ext(name) != ".json" {
				files = append(files, filepath.Join(path, name))
			}
		}
		if len(files) > 0 {
			return files
		}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// stateFiles are the files to look for UIDs in: those that were named, where a
// folder stands for the file of this name in it, else the usual one.
func (r *reader) stateFiles(usual string) []string {
	if len(r.states) == 0 {
		return []string{usual}
	}
	var files []string
	for _, path := range r.states {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, filepath.Base(usual))
		}
		files = append(files, path)
	}
	return files
}

// readState reads a file with UIDs; one that is not there has none.
func (r *reader) readState(path string) (text string, there bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading which messages were fetched: %w", err)
	}
	r.opened[filepath.Clean(path)] = true
	return string(b), true, nil
}
