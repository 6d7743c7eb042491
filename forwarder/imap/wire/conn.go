package wire

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
)

// tracedLine is how many octets of a line are reported.
const tracedLine = 500

// ErrProtocol is the cause if the server said something that is not IMAP, or more
// than a client has to take.
var ErrProtocol = errors.New("protocol violation")

// errGreeting is for a server that greets with BYE.
var errGreeting = errors.New("the server greets with BYE")

// Conn is the client's end of a connection. Commands can be sent before earlier ones
// are answered. Those who wait for an answer read, until Serve does so for all.
type Conn struct {
	timeout time.Duration
	raw     net.Conn // below all TLS; closed when something fails
	conn    net.Conn
	in      *timedReader
	lex     *lexer
	out     *timedWriter
	w       *bufio.Writer // of out
	hidden  login.Mask

	tracing sync.Mutex
	report  func(sent bool, line string)

	// over is set when no further message may be sent.
	over atomic.Bool

	mu      sync.Mutex
	tags    int
	pending []*Command // sent and not answered, in their order
	unasked int        // responses since one was
	lost    error      // why nothing can be read any more; the connection is closed then
	bye     *Response  // by which the server ended the session
	greets  bool       // the greeting is still to come
	caps    Capabilities
	told    bool // caps were told since they were last forgotten
	served  bool // Serve reads
}

// Command is one command on its way.
type Command struct {
	// Wait is the time for its answer, and for each request to go on.
	Wait time.Duration
	// Data, if set, takes what the server says before the answer. It must not block,
	// and not use the connection. Its error breaks the connection.
	Data func(*Response) error
	// Streams: each response is progress, and the time for the next one begins again.
	Streams bool
	// Message: it carries one, and until that is whole there is neither an acceptance
	// nor a time for it.
	Message bool
	// Asking: it waits to be asked to go on. Set it before Start, or by Ask.
	Asking bool

	// Guarded by the connection's lock:

	tag       string
	begun     time.Time   // when it was sent
	whole     bool        // all of the message may have been sent
	responses int         // so far, if it streams
	goOn      chan string // the server's requests to go on
	done      chan struct{}
	answer    *Response
	err       error
}

// New is the client's end of conn before the greeting. timeout is for each write;
// report, if not nil, is called with each line of the dialogue.
func New(conn net.Conn, timeout time.Duration, report func(sent bool, line string)) *Conn {
	c := &Conn{timeout: timeout, raw: rawConn(conn), report: report, greets: true}
	c.Continue(conn)
	return c
}

// Continue continues the dialogue on conn, which is TLS around the connection so
// far. What the server has said of itself is void (RFC 9051 6.2.1).
func (c *Conn) Continue(conn net.Conn) {
	c.conn = conn
	c.in = &timedReader{conn: conn}
	c.lex = newLexer(c.in)
	c.out = &timedWriter{conn: conn, timeout: c.timeout}
	c.w = bufio.NewWriterSize(c.out, writeSize)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caps, c.told = nil, false
}

// Below is the connection that carries the dialogue.
func (c *Conn) Below() net.Conn { return c.conn }

// Unread reports whether the server has said more than was read.
func (c *Conn) Unread() bool { return c.lex.buffered() > 0 }

// Abort closes the connection as it is. It can be called at any time and more
// than once. TLS is not closed first, because that could block.
func (c *Conn) Abort() { _ = c.raw.Close() }

// Hidden is what is kept out of all that is reported and returned from now on.
func (c *Conn) Hidden() *login.Mask { return &c.hidden }

// Said is a status response as the server wrote it, without its tag, on one line
// and no longer than anybody reads: it goes into the ledger and the log.
func (c *Conn) Said(r *Response) string { return r.said(c.hidden.Text) }

// Greeting waits for the greeting (RFC 9051 7.1), which is OK, PREAUTH or BYE. The
// error is the connection's.
func (c *Conn) Greeting() (*Response, error) {
	c.in.limit(c.timeout)
	r, err := c.next()
	if err == nil {
		err = c.dispatch(r)
	}
	switch {
	case errors.Is(err, errGreeting):
		c.Fail(err)
		return r, nil
	case err != nil:
		c.Fail(err)
		return nil, err
	}
	c.in.limit(0)
	return r, nil
}

// Start registers a command and gathers it, given without tag and line end. shown
// is what a trace has instead, where that is another text. The error is that of the
// connection, which Await returns again.
func (c *Conn) Start(cmd *Command, line, shown string) error {
	cmd.goOn, cmd.done = make(chan string, 1), make(chan struct{})
	c.mu.Lock()
	if c.lost != nil {
		defer c.mu.Unlock()
		cmd.err = c.lost
		close(cmd.done)
		return c.lost
	}
	c.tags++
	cmd.tag, cmd.begun = fmt.Sprintf("a%d", c.tags), time.Now()
	c.pending = append(c.pending, cmd)
	c.armFor(cmd)
	c.mu.Unlock()
	return c.Line(cmd.tag+" "+line, cmd.tag+" "+shown)
}

// Line gathers a line of a command that goes on.
func (c *Conn) Line(line, shown string) error {
	c.trace(true, shown)
	_, _ = c.w.WriteString(line) // a failure shows in the next one
	_, err := c.w.WriteString("\r\n")
	return err
}

// Flush sends what was gathered. A failure breaks the connection.
func (c *Conn) Flush() error {
	err := c.w.Flush()
	if err != nil {
		c.Fail(err)
	}
	return err
}

// Run sends a command and waits for its answer. The error is the connection's.
func (c *Conn) Run(cmd *Command, line string) (*Response, error) {
	err := c.Start(cmd, line, line)
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		return nil, err
	}
	return c.Await(cmd)
}

// Do is Run with the usual time, for a command of which only the answer counts.
func (c *Conn) Do(line string) (*Response, error) {
	return c.Run(&Command{Wait: c.timeout}, line)
}

// Await waits for the answer to a command.
func (c *Conn) Await(cmd *Command) (*Response, error) {
	if c.reads() {
		for !cmd.Done() {
			c.read()
		}
	}
	<-cmd.done
	return cmd.answer, cmd.err
}

// Requested waits until the server asks for more of a command (RFC 9051 7.6). ok is
// false if it has answered instead, or never will.
func (c *Conn) Requested(cmd *Command) (text string, ok bool) {
	if c.reads() {
		for len(cmd.goOn) == 0 && !cmd.Done() {
			c.read()
		}
	}
	select {
	case text = <-cmd.goOn:
		return text, true
	default:
	}
	select {
	case text = <-cmd.goOn:
		return text, true
	case <-cmd.done:
		return "", false
	}
}

// Ask notes that the server has to ask before a command goes on.
func (c *Conn) Ask(cmd *Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd.Asking = true
	c.armFor(cmd)
}

// Done reports whether there is an answer, or never will be.
func (cmd *Command) Done() bool {
	select {
	case <-cmd.done:
		return true
	default:
		return false
	}
}

// Over reports whether no further message may be sent on the connection.
func (c *Conn) Over() bool { return c.over.Load() }

// End makes it so, and reports whether it was not before.
func (c *Conn) End() bool { return !c.over.Swap(true) }

// Fail closes the connection because of err. All commands that are not answered
// fail.
func (c *Conn) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over.Store(true)
	c.Abort()
	if c.lost != nil {
		return
	}
	c.lost = err
	for _, cmd := range c.pending {
		cmd.err = err
		close(cmd.done)
	}
	c.pending = nil
}

// Bye is the server's BYE, nil if it said none.
func (c *Conn) Bye() *Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bye
}

// Idle reports whether everything that was sent was answered.
func (c *Conn) Idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost == nil && len(c.pending) == 0
}

// Capabilities are what the server has told last, and whether that was since they
// were forgotten.
func (c *Conn) Capabilities() (caps Capabilities, told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caps, c.told
}

// Forget makes what the server has told of itself so far count as old.
func (c *Conn) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = false
}

// trace reports a line of the dialogue.
func (c *Conn) trace(sent bool, line string) {
	c.tracing.Lock()
	defer c.tracing.Unlock()
	if c.report != nil {
		c.report(sent, printable.Cut(printable.Text(c.hidden.Text(line)), tracedLine))
	}
}

// HungUp reports whether a connection was lost because it was closed. After
// silence or nonsense the server may still be doing what it was told.
func HungUp(err error) bool {
	return !errors.Is(err, ErrProtocol) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// rawConn returns the connection below all TLS.
func rawConn(c net.Conn) net.Conn {
	for {
		over, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = over.NetConn()
	}
}

// learn notes capabilities that a response tells (RFC 9051 7.2.2). The caller has
// the lock.
func (c *Conn) learn(r *Response) {
	switch {
	case r.Code == "CAPABILITY":
		c.caps, c.told = newCapabilities(strings.Fields(r.Args)), true
	case r.Status == "" && r.Name() == "CAPABILITY":
		c.caps, c.told = newCapabilities(Words(r.Data[1:])), true
	}
}

// oldest is the index of the first command that fits. The caller has the lock.
func (c *Conn) oldest(fits func(*Command) bool) int { return slices.IndexFunc(c.pending, fits) }
