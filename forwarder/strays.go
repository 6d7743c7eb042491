package forwarder

import "bytes"

// Strays says what a message has outside of its lines: NULs, and CRs without their
// LF (RFC 5321 2.3.8 has neither). There are servers that drop them, and some that
// end a line at a CR. The later in this list, the more there is to beware of.
type Strays uint8

const (
	// NoStrays: all of the message are lines.
	NoStrays Strays = iota
	// SomeStrays: there are some, but no server takes them for the end of the
	// message. One that drops them counts fewer octets than were sent.
	SomeStrays
	// FalseEnd: a dot stands among them, or between them and a line end. Behind DATA
	// a server may take that for the end of the message, and what follows for
	// commands (SMTP smuggling, CVE-2023-51764).
	FalseEnd
)

// StrayFinder finds the strays of a message that is written to it in pieces, with
// CRLF line ends and without dot-stuffing. The zero value begins a message.
type StrayFinder struct {
	found  Strays
	within bool // the octets before are not a line end, nor strays behind one
	inLine bool // the last octet was no LF: a dot would not be stuffed
	cr     bool // the last octet was a CR
	dot    bool // the last octet was a dot by which a line seems to begin
}

// Write takes note of the next octets. It never fails.
func (f *StrayFinder) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.cr || f.dot || f.within != f.inLine || hasStray(p) {
		for _, c := range p {
			f.next(c)
		}
		return len(p), nil
	}
	f.inLine = p[len(p)-1] != '\n'
	f.within = f.inLine
	return len(p), nil
}

// hasStray reports whether p has a NUL, or a CR that is not followed by an LF there.
func hasStray(p []byte) bool {
	if bytes.IndexByte(p, 0) >= 0 {
		return true
	}
	for {
		i := bytes.IndexByte(p, '\r')
		switch {
		case i < 0:
			return false
		case i+1 == len(p) || p[i+1] != '\n':
			return true
		}
		p = p[i+2:]
	}
}

func (f *StrayFinder) next(c byte) {
	f.passed(c)
	f.dot = c == '.' && f.inLine && !f.within
	if c == 0 {
		f.found = max(f.found, SomeStrays)
	} else {
		f.within = c != '\r' && c != '\n'
	}
	f.cr, f.inLine = c == '\r', c != '\n'
}

// passed judges the octet before, now that it is known what follows it.
func (f *StrayFinder) passed(c byte) {
	if f.cr && c != '\n' {
		f.found = max(f.found, SomeStrays)
	}
	if f.dot && (c == 0 || c == '\r' || c == '\n') {
		f.found = FalseEnd
	}
}

// Found says what there is in the octets so far.
func (f *StrayFinder) Found() Strays { return f.found }

// End says what there is if the message ends here: behind it comes a line end.
func (f *StrayFinder) End() Strays {
	end := *f
	end.passed('\r')
	return end.found
}
