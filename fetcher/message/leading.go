package message

import "bytes"

// leading removes what the last delivery put on top of a message: one Return-Path
// field (RFC 5321 4.4), and the lines that separate the messages of an mbox file
// ("From leo@example.org Sun Nov  1 10:00:00 2026"). Below trace lines, Postfix,
// Exim and sendmail take such a line for the end of the header, and all fields of
// the message for its body.
type leading struct {
	returnPath bool // one was removed
}

// cut returns b without what is to be removed. decided is false if that depends on
// octets to come: they belong behind what it returned.
func (l *leading) cut(b []byte) (rest []byte, decided bool) {
	for {
		seen := b[:min(len(b), headerLimit)] // the same octets, in whatever pieces they come
		end, decided := mboxLines(seen)
		if decided && end == 0 && !l.returnPath {
			end, decided = returnPath(seen, false)
			l.returnPath = end > 0
		}
		if end == 0 {
			return b, decided || len(seen) == headerLimit
		}
		b = b[end:]
	}
}

// end is cut for octets that were undecided and are the last of the message: a
// Return-Path field can be all of it.
func (l *leading) end(b []byte) []byte {
	if l.returnPath || len(b) >= headerLimit {
		return b
	}
	n, _ := returnPath(b, true)
	l.returnPath = n > 0
	return b[n:]
}

// returnPath is the length of a Return-Path field that b begins with; 0: there is
// none. whole means that nothing follows b.
func returnPath(b []byte, whole bool) (end int, decided bool) {
	const name = "return-path:"
	n := min(len(b), len(name))
	switch {
	case !bytes.EqualFold(b[:n], []byte(name[:n])):
		return 0, true
	case n < len(name):
		return 0, false
	}
	field, rest := nextField(b)
	switch {
	case len(rest) == 0 && !whole: // it may be continued
		return 0, false
	case bareCR(field):
		return 0, true
	}
	return len(field), true
}

// bareCR reports whether there is a CR that belongs to no line end. Where a message
// has such line ends, its first field seems to be its whole header.
func bareCR(b []byte) bool {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == '\r' && b[i+1] != '\r' && b[i+1] != '\n' {
			return true
		}
	}
	return false
}

// mboxLines is the length of the mbox lines that b begins with, also of those that
// are quoted by ">"; 0: there are none. Only a field behind them shows that they
// are not the text of a message without a header.
func mboxLines(b []byte) (end int, decided bool) {
	for {
		line := b[end:]
		switch field, decided := beginsField(line); {
		case field:
			return end, true
		case !decided:
			return 0, false
		case !bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")):
			return 0, true
		}
		lf := bytes.IndexByte(line, '\n')
		switch {
		case lf < 0:
			return 0, false
		case bareCR(line[:lf]):
			return 0, true
		}
		end += lf + 1
	}
}

// beginsField reports whether b begins with the name of a header field (RFC 5322
// 2.2) and its colon.
func beginsField(b []byte) (field, decided bool) {
	for i, c := range b {
		switch {
		case c == ':':
			return i > 0, true
		case c == ' ' || c == '\t': // obsolete, but seen (RFC 5322 4.5)
			rest := bytes.TrimLeft(b[i:], " \t")
			return i > 0 && len(rest) > 0 && rest[0] == ':', i == 0 || len(rest) > 0
		case c < '!' || c > '~':
			return false, true
		}
	}
	return false, false
}
