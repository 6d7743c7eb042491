package legacy

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

const (
	prefsFile    = "prefs.js"     // in a profile
	popstateFile = "popstate.dat" // in the folder of a server
)

// thunderbirdPlaces returns the settings of all profiles in the usual places, the one
// that was used last first.
func (r *reader) thunderbirdPlaces() []string {
	folders := []string{
		r.home(".thunderbird"), r.home("snap", "thunderbird", "common", ".thunderbird"), r.home(".var", "app", "org.mozilla.Thunderbird", ".thunderbird"),
		r.home("Library", "Thunderbird", "Profiles"),
	}
	if dir := r.env.Getenv("APPDATA"); dir != "" {
		folders = append(folders, filepath.Join(dir, "Thunderbird", "Profiles"))
	}
	var found, patterns []string
	changed := make(map[string]time.Time)
	for _, dir := range folders {
		pattern := filepath.Join(dir, "*", prefsFile)
		patterns = append(patterns, pattern)
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil {
				found, changed[path] = append(found, path), info.ModTime()
			}
		}
	}
	if len(found) == 0 {
		return patterns
	}
	slices.SortStableFunc(found, func(a, b string) int { return changed[b].Compare(changed[a]) })
	return found
}

// prefs are the settings of a profile: the text of a string, the word of anything else.
type prefs map[string]iniValue

// prefLine matches a line of prefs.js.
var prefLine = regexp.MustCompile(`^user_pref\(("(?:[^"\\]|\\.)*"), *(.*)\);$`)

// parsePrefs reads prefs.js. Whatever else stands there is ignored: Thunderbird writes
// the file itself, and nearly all of it is about something else.
func parsePrefs(file, text string) prefs {
	out := make(prefs)
	n := 0
	for line := range strings.Lines(text) {
		n++
		m := prefLine.FindStringSubmatch(strings.TrimSpace(line))
		var key string
		if m == nil || json.Unmarshal([]byte(m[1]), &key) != nil {
			continue
		}
		value := m[2]
		if strings.HasPrefix(value, `"`) {
			if json.Unmarshal([]byte(value), &value) != nil {
				continue
			}
		}
		out[key] = iniValue{Place{file, n}, value}
	}
	return out
}

// thunderbird reads the POP3 accounts of a profile, and the UIDs of the messages that
// were fetched. Its passwords are encrypted.
func (r *reader) thunderbird(path, text string) error {
	all := parsePrefs(path, text)
	for name := range strings.SplitSeq(all["mail.accountmanager.accounts"].text, ",") {
		server := all["mail.account."+strings.TrimSpace(name)+".server"].text
		get := func(key string) iniValue { return all["mail.server."+server+"."+key] }
		before := len(r.setup.Remarks)
		switch kind := get("type"); kind.text {
		case "pop3":
			a, err := r.thunderbirdAccount(get, filepath.Dir(path))
			if err != nil {
				return err
			}
			r.setup.Accounts = append(r.setup.Accounts, a)
			r.setup.assign(before, len(r.setup.Accounts)-1)
		case "imap":
			r.setup.remark(kind.Place, "%s at %s uses IMAP, but popferry supports only POP3; set up the server's POP3 access in popferry", get("userName").text, get("hostname").text)
			r.setup.assign(before, -1)
		}
	}
	return nil
}

// thunderbirdAccount is one server. Defaults are those of Thunderbird 128
// (mail.server.default in its mailnews.js).
func (r *reader) thunderbirdAccount(get func(string) iniValue, profile string) (Account, error) {
	text := func(key string) string { return get(key).text }
	const days = 7
	a := Account{
		Place:    get("type").Place,
		Name:     text("name"),
		Host:     cmp.Or(text("realhostname"), text("hostname")),
		Username: cmp.Or(text("realuserName"), text("userName")),
		Leave:    Leave{Keep: text("leave_on_server") == "true"},
	}
	a.Port, _ = strconv.Atoi(text("port"))
	if a.Leave.Keep && text("delete_by_age_from_server") == "true" {
		a.Leave.Days = days
		if n, err := strconv.Atoi(text("num_days_to_leave_on_server")); err == nil {
			a.Leave.Days = max(n, 0)
		}
	}
	if kilobytes, err := strconv.ParseInt(text("max_size"), 10, 32); err == nil && kilobytes > 0 && text("limit_offline_message_size") == "true" {
		a.MaxSize = kilobytes << 10
	}
	if text("headers_only") == "true" {
		r.setup.remark(get("headers_only").Place, "headers_only: popferry forwards whole messages")
	}
	switch tls := get("socketType"); {
	case tls.text == "3":
		a.TLS.Mode = config.TLSImplicit
	case tls.text == "1" || tls.text == "2":
		a.TLS.Mode = config.TLSStart
	case a.clear():
		a.TLS.Mode = config.TLSNone
	default:
		a.TLS.Mode = config.TLSStart
		r.setup.remark(a.Place, "socketType: Thunderbird sends the password to %s unencrypted, popferry does not (tls: starttls); if the server has port 995, set port: 995 and tls: implicit", a.Host)
	}
	switch auth := get("authMethod"); auth.text {
	case "5", "6":
		r.setup.remark(auth.Place, "authMethod: %s", noKerberos)
	case "7":
		a.Auth = "external"
	case "10":
		r.setup.todo(auth.Place, "%s at %s signs in by OAuth2: set oauth2 instead of password_file, and run popferry login (popferry help oauth2)", a.Username, a.Host)
	}
	if a.Auth != "external" && text("authMethod") != "10" {
		r.setup.todo(a.Place, "%s at %s: Thunderbird keeps its password encrypted (Settings, Privacy & Security, Saved Passwords shows it); write it to the password_file", a.Username, a.Host)
	}
	r.instead(a.Place, "directory: popferry does not write to Thunderbird's folders", way{})
	return a, r.popstate(get, profile, &a)
}

// popstate reads the UIDs of fetched messages from the folder of a server.
func (r *reader) popstate(get func(string) iniValue, profile string, a *Account) error {
	dir := filepath.Join(profile, "Mail", get("hostname").text)
	if rest, ok := strings.CutPrefix(get("directory-rel").text, "[ProfD]"); ok {
		dir = filepath.Join(profile, filepath.FromSlash(rest))
	} else if named := get("directory").text; named != "" {
		dir = named
	}
	for _, path := range r.stateFiles(filepath.Join(dir, popstateFile)) {
		text, there, err := r.readState(path)
		if err != nil {
			return err
		}
		if !there {
			a.Seen.Missing = path
			continue
		}
		a.Seen.File = path
		a.Seen.add(popstateUIDs(text)...)
	}
	return nil
}

// popstateUIDs reads lines of a letter, a UID and a time, below one with the server: k is
// a message that was fetched, d one that is to be deleted. Of others (b, f) only the
// header was fetched.
func popstateUIDs(text string) (uids []string) {
	below := false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "*"):
			below = true
		case below && len(words) > 1 && (words[0] == "k" || words[0] == "d"):
			uids = append(uids, words[1])
		}
	}
	return uids
}
