package legacy

import (
	"os"
	"strings"
	"unicode"
)

// netrc looks for a mailbox's password in a .netrc, as fetchmail and mpop do if
// their own files have none: under the first of the hosts that has this login.
// Like them, it does not check the file's mode. The default entry, which is for
// any host, is not used.
func (r *reader) netrc(path, username string, hosts ...string) Secret {
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // usually there is none
	}
	entries := parseNetrc(string(text))
	for _, host := range hosts {
		for _, e := range entries {
			if host != "" && e.login == username && strings.EqualFold(e.machine, host) && e.password != "" {
				return e.password
			}
		}
	}
	return ""
}

// netrcEntry is a login in a .netrc.
type netrcEntry struct {
	machine, login string
	password       Secret
}

// parseNetrc reads a .netrc: pairs of words, on any number of lines (ftp(1)).
func parseNetrc(text string) []netrcEntry {
	var entries []netrcEntry
	entry := &netrcEntry{} // for words before the first machine
	for text != "" {
		var key, value string
		if key, text = netrcWord(text); key == "macdef" {
			_, text, _ = strings.Cut(text, "\n\n") // a macro ends with an empty line
			continue
		}
		if key == "default" {
			entry = &netrcEntry{}
			continue
		}
		value, text = netrcWord(text)
		switch key {
		case "machine":
			entries = append(entries, netrcEntry{machine: value})
			entry = &entries[len(entries)-1]
		case "login", "user":
			entry.login = value
		case "password", "passwd":
			entry.password = Secret(value)
		}
	}
	return entries
}

// netrcWord splits off the first word of a text. It may be quoted, with a backslash
// before quotes inside it. A # before a word begins a comment.
func netrcWord(text string) (word, rest string) {
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	for strings.HasPrefix(text, "#") {
		_, text, _ = strings.Cut(text, "\n")
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	quoted := strings.HasPrefix(text, `"`)
	if quoted {
		text = text[1:]
	}
	var b strings.Builder
	for at := 0; at < len(text); at++ {
		switch c := text[at]; {
		case c == '\\' && at+1 < len(text):
			at++
			b.WriteByte(text[at])
		case quoted && c == '"', !quoted && strings.IndexByte(" \t\r\n\v\f", c) >= 0:
			return b.String(), text[at+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
