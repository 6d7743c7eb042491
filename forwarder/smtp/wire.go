package smtp

import (
	"bufio"
	"net"
	"time"
)

const (
	// writeSize is what is gathered before it is written: two TLS records.
	writeSize = 32 << 10
	// chunkSize bounds what one deadline has to cover: at 5 min it leaves even
	// a line of 10 kbit/s time.
	chunkSize = 256 << 10
)

// wire is a connection that speaks lines and replies, each with its deadline.
// Commands are gathered until a reply is wanted, so that several can go out
// together.
type wire struct {
	conn    net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	timeout time.Duration // for each write and for a reply that has none of its own
}

// newWire speaks on conn from now on.
func newWire(conn net.Conn, timeout time.Duration) *wire {
	return &wire{
		conn:    conn,
		r:       bufio.NewReader(conn),
		w:       bufio.NewWriterSize(timedWriter{conn, timeout}, writeSize),
		timeout: timeout,
	}
}

// send gathers one command without its line end.
func (w *wire) send(line string) error {
	if _, err := w.w.WriteString(line); err != nil {
		return err
	}
	_, err := w.w.WriteString("\r\n")
	return err
}

// reply writes out what is gathered and reads the next reply.
func (w *wire) reply(wait time.Duration) (reply, error) {
	if err := w.w.Flush(); err != nil {
		return reply{}, err
	}
	return w.read(wait)
}

// read reads the next reply, which has to be there in whole within wait: a
// server that drips octets has no more time than one that is silent.
func (w *wire) read(wait time.Duration) (reply, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return reply{}, err
	}
	return readReply(w.r)
}

// command sends one command and reads its reply.
func (w *wire) command(line string) (reply, error) {
	if err := w.send(line); err != nil {
		return reply{}, err
	}
	return w.reply(w.timeout)
}

// timedWriter gives each chunk that it writes a deadline of its own.
type timedWriter struct {
	conn    net.Conn
	timeout time.Duration
}

// Write writes p to the connection. The count it returns with an error is
// exact: what it leaves out was not handed to the connection.
func (t timedWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if err := t.conn.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
			return done, err
		}
		n, err := t.conn.Write(p[done:min(len(p), done+chunkSize)])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
