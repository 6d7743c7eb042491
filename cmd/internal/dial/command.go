package dial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/popferry/popferry/cmd/internal/child"
	"github.com/popferry/popferry/fetcher/printable"
)

const (
	// commandGrace is how long a command may take to end once its standard input has.
	commandGrace = 500 * time.Millisecond
	// commandEnd is how long to wait for the reason why a command says nothing more.
	commandEnd = time.Second
)

// start starts the command that makes the connection.
func (p *relay) start() (net.Conn, error) {
	fill := strings.NewReplacer("%%", "%", "%h", p.host, "%p", p.port)
	args := make([]string, len(p.Command))
	for i, a := range p.Command {
		args[i] = fill.Replace(a)
	}
	c := &commandConn{proxy: p}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = p.Dir, &c.complaint
	if p.Environ != nil {
		cmd.Env = p.Environ()
	}
	if err := c.run(cmd); err != nil {
		return nil, p.fails(ProxyCommand, err)
	}
	return c, nil
}

// commandConn is a connection that a command makes with its standard input and
// output. A pipe within the process stands between, because those of the system have
// no deadlines on Windows.
type commandConn struct {
	net.Conn             // our end
	theirs   net.Conn    // which is copied from and to the command
	heard    atomic.Bool // something came
	closed   atomic.Bool

	proxy     *relay
	process   *child.Process
	complaint child.Tail // to be read when the process has ended
	copying   sync.WaitGroup
	closing   sync.Once
	files     [2]*os.File // to the command, and from it
}

// run starts the command.
func (c *commandConn) run(cmd *exec.Cmd) error {
	stdin, to, err := os.Pipe()
	if err != nil {
		return err
	}
	from, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close(), to.Close())
	}
	cmd.Stdin, cmd.Stdout = stdin, stdout
	c.process, err = child.Start(cmd)
	_, _ = stdin.Close(), stdout.Close() // the command has its own
	if err != nil {
		_, _ = to.Close(), from.Close()
		return err
	}
	c.files = [2]*os.File{to, from}
	c.Conn, c.theirs = net.Pipe()
	c.copying.Go(func() {
		_, _ = io.Copy(to, c.theirs) // until the connection is closed
		_ = to.Close()
	})
	c.copying.Go(func() {
		_, _ = io.Copy(c.theirs, from) // until the command closes its output
		_ = c.theirs.Close()
	})
	return nil
}

// Read implements net.Conn. Until something has come, its errors are about the
// command.
func (c *commandConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Store(true)
	}
	return n, c.explained(err)
}

// Write implements net.Conn.
func (c *commandConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) && !c.closed.Load() {
		err = &net.OpError{Op: "write", Net: "pipe", Err: syscall.EPIPE}
	}
	return n, c.explained(err)
}

func (c *commandConn) explained(err error) error {
	if err == nil || c.heard.Load() || c.closed.Load() {
		return err
	}
	return c.explain(err)
}

// explain returns why nothing has come.
func (c *commandConn) explain(err error) *ProxyError {
	silent := c.proxy.noAnswer(context.Background(), err)
	if silent.Timeout() {
		return silent
	}
	timer := time.NewTimer(commandEnd)
	defer timer.Stop()
	select {
	case <-timer.C:
		return silent
	case <-c.process.Done():
	}
	err = cmp.Or(c.process.Err(), errEnded)
	if said := printable.Reply(c.complaint.LastLine()); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return c.proxy.fails(ProxyCommand, err)
}

// errEnded: the command ended as if all were well.
var errEnded = errors.New("it ended")

// Close ends the command.
func (c *commandConn) Close() error {
	c.closing.Do(func() {
		c.closed.Store(true)
		_ = c.Conn.Close() // what was written is copied first
		c.process.Stop(commandGrace)
		_, _ = c.files[0].Close(), c.files[1].Close()
		_ = c.theirs.Close()
		c.copying.Wait()
	})
	return nil
}
