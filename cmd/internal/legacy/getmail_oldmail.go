package legacy

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// oldmailStripped matches what getmail replaces in the names of its records.
var oldmailStripped = regexp.MustCompile(`[/:;<>|]+`)

// oldmailName returns the name of an account's record.
func oldmailName(a *Account) string {
	port := cmp.Or(a.Port, 110)
	if a.Port == 0 && a.TLS.Mode == config.TLSImplicit {
		port = 995
	}
	return oldmailStripped.ReplaceAllString("oldmail-"+a.Host+"-"+strconv.Itoa(port)+"-"+a.Username, "-")
}

// oldmail reads the UIDs of fetched messages from a record beside the getmailrc.
func (r *reader) oldmail(dir string, a *Account) error {
	name := oldmailName(a)
	for _, path := range r.stateFiles(filepath.Join(dir, name)) {
		if filepath.Base(path) != name { // of another account
			continue
		}
		text, there, err := r.readState(path)
		if err != nil {
			return err
		}
		if there {
			a.Seen.File = path
			a.Seen.add(oldmailUIDs(text)...)
		}
	}
	if a.Seen.Spellings = slashed(a.Seen.UIDs); len(a.Seen.Spellings) > 0 {
		r.setup.remarkRecord(Place{File: a.Seen.File}, "getmail writes / in a UID as -; for %s both forms count as fetched"+nothingToDo, terminal.Count(len(a.Seen.Spellings), "message"))
	}
	return nil
}

// oldmailUIDs reads lines of a UID, a NUL and a time.
func oldmailUIDs(text string) (uids []string) {
	for line := range strings.Lines(text) {
		if uid, _, ok := strings.Cut(strings.TrimSpace(line), "\x00"); ok {
			uids = append(uids, uid)
		}
	}
	return uids
}

// slashed returns the UIDs that have a -, with / instead, if the UIDs look like
// Base64 (RFC 4648 4), which has no -.
func slashed(uids []string) (out []string) {
	if !slices.ContainsFunc(uids, func(uid string) bool { return strings.ContainsAny(uid, "+=") }) {
		return nil
	}
	for _, uid := range uids {
		if strings.Contains(uid, "-") {
			out = append(out, strings.ReplaceAll(uid, "-", "/"))
		}
	}
	return out
}
