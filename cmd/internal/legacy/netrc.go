package legacy

import (
	"os"
	"strings"
	"unicode"
)

// netrc looks for a mailbox's password in a .netrc, where fetchmail and mpop do
// when their own files have none: under the first of the hosts that is in it
// with this login. The file's mode is not looked at, for neither of them does.
// What stands under default is for any host, and left alone.
func (r *reader) netrc(path, username string, hosts ...string) Secret {
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // as a rule there is none
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

// netrcEntry is what a .netrc has of one login.
type netrcEntry struct {
	machine, login string
	password       Secret
}

// parseNetrc reads a .netrc: pairs of words, in lines of any number (ftp(1)).
func parseNetrc(text string) []netrcEntry {
	var entries []netrcEntry
	entry := &netrcEntry{} // what stands before the first machine belongs to none
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

// netrcWord takes the first word off a text. It may stand in quotes, with a
// backslash before those that belong to it; a # before a word begins a comment.
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
