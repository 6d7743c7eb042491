package pop3test

import (
	"bufio"
	"errors"
	"io"
)

// SendBody sends a message's octets, dot-stuffed, with a CRLF at the end if they
// have none, and the terminator. With lines >= 0 it sends only the header and so
// many lines of the body (TOP). It stops when the client is gone.
func (s *Session) SendBody(octets io.Reader, lines int) {
	in := bufio.NewReaderSize(octets, 64<<10)
	st := stuffer{out: s.out, atBOL: true}
	header := true
	for lines != 0 || header {
		p, err := in.ReadSlice('\n')
		if st.line(p) != nil {
			return
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			s.Close() // as if the disk failed: the message breaks off
			return
		}
		if err == nil && !header && lines > 0 {
			lines--
		}
		if header && (string(p) == "\r\n" || string(p) == "\n") {
			header = false
		}
	}
	st.end()
}

// stuffer writes pieces of a message.
type stuffer struct {
	out   *bufio.Writer
	atBOL bool // at the beginning of a line, after CRLF
	cr    bool // the last octet was a CR
}

// line writes a piece that has no line feed except at its end.
func (st *stuffer) line(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if st.atBOL && p[0] == '.' {
		if err := st.out.WriteByte('.'); err != nil {
			return err
		}
	}
	_, err := st.out.Write(p)
	last := len(p) - 1
	st.atBOL = p[last] == '\n' && (last > 0 && p[last-1] == '\r' || last == 0 && st.cr)
	st.cr = p[last] == '\r'
	return err
}

// end writes the terminator.
func (st *stuffer) end() {
	if !st.atBOL {
		_, _ = st.out.WriteString("\r\n") // errors of a bufio.Writer stay
	}
	_, _ = st.out.WriteString(".\r\n")
}
