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

// Env says whose files are read.
type Env struct {
	Getenv func(string) string // required
	User   string              // the login name
}

// ErrProgram: popferry cannot read the files of this program.
var ErrProgram = errors.New("cannot import from")

// Read reads the configuration files of a program, by default those in its usual
// places. states are the files with the UIDs of fetched messages, or their
// folders; by default they are looked for in the usual places.
func Read(program string, env Env, files, states []string) (*Setup, error) {
	for _, path := range states {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("reading the record of fetched messages: %w", err)
		}
	}
	r := &reader{env: env, states: states, opened: make(map[string]bool), setup: &Setup{}}
	read, places := r.program(program)
	if read == nil {
		return nil, fmt.Errorf("%w %q; supported are %s", ErrProgram, program, strings.Join(Programs(), ", "))
	}
	if len(files) == 0 {
		usual := places()
		if files = present(usual); len(files) == 0 {
			return nil, fmt.Errorf("no configuration of %s found (looked for %s); name its file", program, strings.Join(usual, ", "))
		}
	}
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.IsDir() && program == "thunderbird" {
			path = filepath.Join(path, prefsFile) // it is a profile
		}
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

// Programs returns the programs whose files can be read.
func Programs() []string {
	return []string{"fetchmail", "getmail", "mpop", "fdm", "thunderbird", "inboxbridge"}
}

// program returns how the files of a program are read, and where they usually are; nil
// if it is not one of Programs.
func (r *reader) program(name string) (read func(path, text string) error, places func() []string) {
	switch name {
	case "fetchmail":
		return r.fetchmail, r.fetchmailPlaces
	case "getmail":
		return r.getmail, r.getmailPlaces
	case "mpop":
		return r.mpop, r.mpopPlaces
	case "fdm":
		return r.fdm, r.fdmPlaces
	case "thunderbird":
		return r.thunderbird, r.thunderbirdPlaces
	case "inboxbridge":
		return r.inboxbridge, r.inboxbridgePlaces
	}
	return nil, nil
}

// reader reads the files of one program.
type reader struct {
	env    Env
	states []string
	opened map[string]bool // records of fetched messages that were read
	setup  *Setup
}

// home returns a path in the home folder.
func (r *reader) home(elem ...string) string {
	return filepath.Join(append([]string{r.env.Getenv("HOME")}, elem...)...)
}

// xdgConfig returns a path in the configuration folder of the XDG Base Directory
// Specification.
func (r *reader) xdgConfig(elem ...string) string {
	if dir := r.env.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(append([]string{dir}, elem...)...)
	}
	return r.home(append([]string{".config"}, elem...)...)
}

// expand returns a path as the other program means it: ~ is the home folder, and
// a relative path is relative to dir.
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

// present returns the first path that exists. A folder stands for the files in
// it, without getmail's own.
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

// stateFiles returns the files with UIDs: the named ones, where a folder stands for
// the file in it that has the usual name, or else the usual one.
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

// readState reads a file with UIDs. It is not an error if there is none.
func (r *reader) readState(path string) (text string, there bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the record of fetched messages: %w", err)
	}
	r.opened[filepath.Clean(path)] = true
	return string(b), true, nil
}

// warnOfSeen remarks on accounts whose old mail stays on the server, and on those where no
// record says which of it was fetched: none of it is forwarded then, or all of it.
func (r *reader) warnOfSeen(program string) {
	for i, a := range r.setup.Accounts {
		before := len(r.setup.Remarks)
		switch n := len(a.Seen.UIDs); {
		case a.unrecorded():
			missing := ""
			if a.Seen.Missing != "" {
				missing = " (looked for " + a.Seen.Missing + ")"
			}
			r.setup.remarkRecord(a.Place, "%s at %s: found no record of the messages that %s has fetched%s. Without one, import writes first_run: new, "+
				"so that what is on the server now is not forwarded; name it with --state-file, or have all of that forwarded with --first-run all", a.Username, a.Host, program, missing)
		case n == 0 && a.Leave.Keep:
			r.setup.remarkRecord(a.Place, "%s at %s: %s has none of its messages, so all mail on the server counts as new; to forward only later mail, set first_run: new", a.Username, a.Host, a.Seen.File)
		case n > 0 && (!a.Leave.Keep || a.Leave.Days > 0):
			r.setup.remark(a.Place, "%s at %s: popferry deletes only what it has forwarded itself; mail that %s has fetched and not deleted stays on the server until you delete it",
				a.Username, a.Host, program)
		}
		r.setup.assign(before, i)
	}
}

// warnOfUnread remarks on records that were named and belong to no account.
func (r *reader) warnOfUnread() {
	for _, path := range r.states {
		path = filepath.Clean(path)
		read := r.opened[path]
		for opened := range r.opened {
			read = read || filepath.Dir(opened) == path
		}
		if !read {
			r.setup.remarkRecord(Place{File: path}, "no account has a record here with the name that is expected; nothing was read")
		}
	}
}
