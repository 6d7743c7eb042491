package pop3

import "math"

// parseEntry splits a line of LIST or UIDL into the message's number and the
// rest, which may be empty, contain spaces and be of any octets. It tells
// whether there is a number above 0 in front. RFC 1939 asks for one space
// between the two; several, tabs, and trailing ones are seen.
func parseEntry(line []byte) (n int, rest []byte, ok bool) {
	if len(line) > maxKept {
		return 0, nil, false
	}
	first, rest := word(trim(line))
	n, ok = number(first)
	return n, trim(rest), ok && n > 0 // a stray CR may stand between them, too
}

// trim takes away what stands around the words of a listing's lines: spaces,
// tabs, and a CR that was doubled.
func trim(b []byte) []byte {
	for len(b) > 0 && (blank(b[0]) || b[0] == '\r') {
		b = b[1:]
	}
	for len(b) > 0 && (blank(b[len(b)-1]) || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// word splits after the first word and what is blank behind it. Words are
// short: the functions of bytes take longer to begin than this to end.
func word(b []byte) (first, rest []byte) {
	end := 0
	for end < len(b) && !blank(b[end]) {
		end++
	}
	next := end
	for next < len(b) && blank(b[next]) {
		next++
	}
	return b[:end], b[next:]
}

// blank tells what stands between words.
func blank(c byte) bool { return c == ' ' || c == '\t' }

// listedSize is the size that the rest of a line of LIST begins with, or -1.
func listedSize(rest []byte) int64 {
	first, _ := word(rest)
	n, ok := size(first)
	if !ok {
		return -1
	}
	return n
}

// number reads a number of messages, 0 to 2^31-1.
func number(b []byte) (int, bool) {
	n, ok := size(b)
	if !ok || n > math.MaxInt32 {
		return 0, false
	}
	return int(n), true
}

// size reads a number of octets: digits only, at most 2^63-1.
func size(b []byte) (int64, bool) {
	var n int64
	for _, d := range b {
		if d < '0' || d > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, len(b) > 0
}
