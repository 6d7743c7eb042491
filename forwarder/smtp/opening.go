package smtp

import (
	"io"
	"net"
	"strings"
)

// opening is the connection as go-smtp's client sees it while it opens a
// session. It hides three things that the client has no notion of.
type opening struct {
	net.Conn
	// greeting is read before anything of the connection. The client awaits a
	// greeting on every new connection, and behind STARTTLS there is none.
	greeting *strings.Reader
	// spoken tells that the client sent something: the client answers for
	// greeting and EHLO with one error, and this tells them apart.
	spoken bool
	// left bounds what the server may say: the client would gather the lines of
	// one reply without end.
	left int
}

// newOpening wraps conn; greeting, with its line end, takes the place of the
// server's unless it is "".
func newOpening(conn net.Conn, greeting string) *opening {
	return &opening{Conn: conn, greeting: strings.NewReader(greeting), left: maxReply}
}

// Read implements io.Reader.
func (o *opening) Read(p []byte) (int, error) {
	if o.greeting.Len() > 0 {
		return o.greeting.Read(p)
	}
	if o.left <= 0 {
		return 0, ErrProtocol
	}
	n, err := io.LimitReader(o.Conn, int64(o.left)).Read(p)
	o.left -= n
	return n, err
}

// Write implements io.Writer.
func (o *opening) Write(p []byte) (int, error) {
	o.spoken = true
	return o.Conn.Write(p)
}
