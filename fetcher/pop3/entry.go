package pop3

import (
	"bytes"
	"math"
)

// blank is what stands between the words of a listing's lines.
const blank = " \t"

// parseEntry splits a line of LIST or UIDL into the message's number and the
// rest, which may be empty, contain spaces and be of any octets. It tells
// whether there is a number above 0 in front. RFC 1939 asks for one space
// between the two; several, tabs, and trailing ones are seen.
func parseEntry(line []byte) (n int, rest []byte, ok bool) {
	if len(line) > maxKept {
		return 0, nil, false
	}
	line = bytes.Trim(line, blank+"\r")
	end := bytes.IndexAny(line, blank)
	if end < 0 {
		end = len(line)
	}
	n, ok = number(line[:end])
	return n, bytes.TrimLeft(line[end:], blank), ok && n > 0
}

// listedSize is the size that the rest of a line of LIST begins with, or -1.
func listedSize(rest []byte) int64 {
	if end := bytes.IndexAny(rest, blank); end >= 0 {
		rest = rest[:end]
	}
	n, ok := size(rest)
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
