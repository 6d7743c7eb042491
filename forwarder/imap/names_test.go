package imap

import (
	"testing"

	"github.com/popferry/popferry/forwarder/imap/wire"
)

// TestNames: folders that are not the user's own have prefixes of their own.
func TestNames(t *testing.T) {
	t.Parallel()
	space := func(prefix, delimiter string) wire.Value {
		return wire.Value{List: []wire.Value{{List: []wire.Value{{Text: prefix}, {Text: delimiter}}}}}
	}
	n := newNames([]wire.Value{space("INBOX.", "."), space("user.", "."), space("", ".")}, false)
	for folder, want := range map[string]string{"user/bob": "user.bob", "a/b": "INBOX.a.b", "InBoX": "INBOX", "INBOX/a": "INBOX.a", "users": "INBOX.users"} {
		if got := n.onServer(folder); got != want {
			t.Errorf("%s: got %s, want %s", folder, got, want)
		}
	}
	flat := newNames([]wire.Value{space("", "NIL"), {Text: "NIL"}, {Text: "NIL"}}, true)
	if got := flat.onServer("a/\u00e4"); got != "a/\u00e4" {
		t.Errorf("without levels: got %s", got)
	}
}
