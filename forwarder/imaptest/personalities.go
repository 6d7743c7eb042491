package imaptest

// Gmail merges messages by Message-ID, has labels, and tells its limit.
func Gmail() Options {
	return Options{
		Before: []string{"SASL-IR", "AUTH=XOAUTH2", "AUTH=PLAIN", "AUTH=OAUTHBEARER", "ID", "NAMESPACE", "X-GM-EXT-1"},
		Caps: []string{"UNSELECT", "IDLE", "NAMESPACE", "QUOTA", "ID", "X-GM-EXT-1", "UIDPLUS", "ENABLE", "MOVE", "CONDSTORE", "ESEARCH",
			"UTF8=ACCEPT", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "SPECIAL-USE", "APPENDLIMIT=35651584"},
		Folders: map[string]string{"[Gmail]/Alle Nachrichten": `\All`, "[Gmail]/Spam": `\Junk`, "[Gmail]/Papierkorb": `\Trash`},
		Merges:  true,
	}
}

// Exchange takes literals unasked, tells no limit, and
// lets users in by XOAUTH2 only.
func Exchange() Options {
	return Options{
		Before: []string{"AUTH=XOAUTH2", "LOGINDISABLED", "SASL-IR", "ID", "NAMESPACE", "LITERAL+"},
		Caps:   []string{"AUTH=XOAUTH2", "SASL-IR", "UIDPLUS", "MOVE", "ID", "UNSELECT", "IDLE", "NAMESPACE", "LITERAL+"},
		TooBig: "NO Maximum size of appendable message has been exceeded",
	}
}

// ICloud asks for each literal, and says BAD to large ones.
func ICloud() Options {
	return Options{
		Before:  []string{"AUTH=PLAIN", "SASL-IR"},
		Caps:    []string{"UIDPLUS", "CONDSTORE", "QRESYNC", "XAPPLELITERAL", "NAMESPACE"},
		MaxSize: 35_000_000,
		TooBig:  "BAD Message too large TOOBIG",
	}
}

// Yahoo shows the newest 1,000 messages of a folder.
func Yahoo() Options {
	return Options{
		Before: []string{"AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER", "SASL-IR"},
		Caps:   []string{"UIDPLUS", "LITERAL+", "OBJECTID", "UIDONLY", "PARTIAL", "MESSAGELIMIT=1000", "APPENDLIMIT=41697280", "NAMESPACE", "SPECIAL-USE"},
		Newest: 1000,
	}
}

// Courier has all folders below INBOX, with dots between the levels.
func Courier() Options {
	return Options{Caps: []string{"CHILDREN", "NAMESPACE", "UIDPLUS"}, Prefix: "INBOX.", Delimiter: "."}
}
