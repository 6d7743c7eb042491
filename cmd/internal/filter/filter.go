package filter

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/popferry/popferry/cmd/internal/child"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/printable"
)

const (
	// timeLimit is how long a filter may take: one that asks the network has its own
	// limits, which are shorter.
	timeLimit = time.Minute
	// maxOutput bounds what it may print, in octets.
	maxOutput = 4 << 10
	// exitDrop is the exit code for a message that is dropped.
	exitDrop = 99
	// leftBehind is how long to wait for the output of what cannot be ended.
	leftBehind = time.Second
)

// Slots bound how many filters run at once. Nil does not.
type Slots chan struct{}

// NewSlots returns n of them.
func NewSlots(n int) Slots { return make(Slots, n) }

// Filter is the command of one account. Its methods may be called from many
// goroutines.
type Filter struct {
	Command []string // the program and its arguments; there is no shell
	Dir     string   // its working directory
	Environ func() []string
	Slots   Slots
	// Address checks what the filter may print as X-Popferry-To, Folder what as
	// X-Popferry-Folder; nil: the destination has none.
	Address, Folder func(string) error
	Limit           time.Duration // 0: a minute
}

// Look implements fetcher.Filter. Errors are *Error, or that of a context that has
// ended.
func (f *Filter) Look(ctx context.Context, message io.Reader) (fetcher.Verdict, error) {
	if f.Slots != nil {
		select {
		case f.Slots <- struct{}{}:
			defer func() { <-f.Slots }()
		case <-ctx.Done():
			return fetcher.Verdict{}, context.Cause(ctx)
		}
	}
	limit := cmp.Or(f.Limit, timeLimit)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	in, out, said := &input{from: bufio.NewReader(message)}, &output{}, &child.Tail{}
	cmd := exec.CommandContext(limited, f.Command[0], f.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = f.Dir, f.Environ(), leftBehind
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, said
	err := child.Run(cmd)
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it has succeeded; what it left behind has nothing to add
	}
	fault := func(k Kind, why error) (fetcher.Verdict, error) {
		if line := printable.Reply(said.LastLine()); line != "" {
			why = fmt.Errorf("%w: %s", why, line)
		}
		return fetcher.Verdict{}, &Error{Kind: k, Program: filepath.Base(f.Command[0]), Err: why}
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fetcher.Verdict{}, context.Cause(ctx)
	case limited.Err() != nil:
		return fault(Late, fmt.Errorf("it did not end within %v", limit))
	case in.err != nil:
		return fault(Unread, in.err)
	case out.over:
		return fault(Floods, fmt.Errorf("it printed more than %d octets", maxOutput))
	case errors.As(err, &exit) && exit.ExitCode() == exitDrop:
		return fetcher.Verdict{Drop: true, Reason: printable.Reply(said.LastLine())}, nil
	case exit != nil:
		return fault(Died, exit)
	case err != nil:
		return fault(Missing, err)
	}
	v, err := f.read(out.text)
	if err != nil {
		return fault(Unclear, err)
	}
	return v, nil
}

// input is the message with the line ends of Unix.
type input struct {
	from *bufio.Reader
	err  error // why it could not be read
}

// Read implements io.Reader.
func (i *input) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c, err := i.from.ReadByte()
		if err != nil {
			if err != io.EOF {
				i.err = err
			}
			return n, err
		}
		if next, _ := i.from.Peek(1); c == '\r' && len(next) == 1 && next[0] == '\n' {
			continue
		}
		p[n] = c
		n++
	}
	return n, nil
}

// output keeps what a filter prints, up to its limit.
type output struct {
	text []byte
	over bool
}

var errOutput = errors.New("too much output")

// Write implements io.Writer. Beyond the limit the filter's pipe is closed.
func (o *output) Write(p []byte) (int, error) {
	if len(o.text)+len(p) > maxOutput {
		o.over = true
		return 0, errOutput
	}
	o.text = append(o.text, p...)
	return len(p), nil
}
