package imap

import (
	"slices"
	"strings"

	"github.com/popferry/popferry/forwarder/imap/wire"
)

// inbox is the one name that every server has, in any case (RFC 9051 5.1).
const inbox = "INBOX"

// maxName is how long the name of a folder may be, in octets, as the server writes
// it: a mark in the ledger has it for each message. Dovecot takes 4096.
const maxName = 4096

// names is how a server writes the names of folders: in front of the user's own
// stands a prefix ("INBOX." at Courier), and between two levels a delimiter
// (RFC 9051 6.3.10).
type names struct {
	prefix    string
	delimiter string   // "": there are no levels
	others    []string // the prefixes of folders that are not the user's own
	utf8      bool
}

// newNames reads the answer to NAMESPACE: lists of prefix and delimiter for one's
// own folders, those of other users, and shared ones.
func newNames(data []wire.Value, utf8 bool) names {
	n := names{utf8: utf8}
	for i, kind := range data {
		for k, space := range kind.List {
			if len(space.List) < 2 {
				continue
			}
			prefix, delimiter := space.List[0].Text, delimiterOf(space.List[1])
			switch {
			case i == 0 && k == 0:
				n.prefix, n.delimiter = prefix, delimiter
			case prefix != "":
				n.others = append(n.others, prefix)
			}
		}
	}
	return n
}

// delimiterOf reads a delimiter, which may be NIL.
func delimiterOf(v wire.Value) string {
	if strings.EqualFold(v.Text, "NIL") {
		return ""
	}
	return v.Text
}

// onServer is a configured name as the server writes it.
func (n names) onServer(folder string) string {
	if strings.EqualFold(folder, inbox) {
		return inbox
	}
	if n.delimiter != "" {
		folder = strings.ReplaceAll(folder, "/", n.delimiter)
	}
	if !n.utf8 {
		folder = wire.EncodeUTF7(folder)
	}
	if foreign := func(p string) bool { return strings.HasPrefix(folder, p) }; !slices.ContainsFunc(n.others, foreign) && !hasPrefixFold(folder, n.prefix) {
		folder = n.prefix + folder
	}
	return folder
}

// hasPrefixFold is strings.HasPrefix in any case, for "Inbox." is "INBOX.".
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
