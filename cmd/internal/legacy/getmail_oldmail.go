package legacy

import (
	"cmp"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// oldmailStripped is what getmail replaces in the names of its records.
var oldmailStripped = regexp.MustCompile(`[/:;<>|]+`)

// oldmailName is the name of an account's record.
func oldmailName(a *Account) string {
	port := cmp.Or(a.Port, 110)
	if a.Port == 0 && a.TLS.Mode == config.TLSImplicit {
		port = 995
	}
	return oldmailStripped.ReplaceAllString("oldmail-"+a.Host+"-"+strconv.Itoa(port)+"-"+a.Username, "-")
}

// oldmail reads the UIDs of what getmail has fetched, from a record beside the
// getmailrc.
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
	doubtful := 0
	for _, uid := range a.Seen.UIDs {
		if strings.Contains(uid, "-") && strings.ContainsAny(uid, "+=") { // Base64 has no - but a /
			doubtful++
		}
	}
	if doubtful > 0 {
		r.setup.remarkRecord(Place{File: a.Seen.File}, "getmail writes a / in a UID as -, so %d of them may be others on the server; those messages would be forwarded again. "+
			"Change them here, and import again", doubtful)
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
