package child

import (
	"os/exec"
	"time"
)

// leftBehind is how long to wait for the output of what a program has left behind
// and what cannot be ended: it would keep the pipes open.
const leftBehind = time.Second

// Process is a program that runs beside popferry.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, once done is closed
}

// Start starts a program. The caller has to Stop it.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.WaitDelay = leftBehind
	if err := start(cmd); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
		ended(cmd)
	}()
	return p, nil
}

// Done is closed when the program has ended, with all that it started.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the program ended, nil for success, once Done is closed.
func (p *Process) Err() error { return p.err }

// Stop returns when the program has ended. It gets this long to do so by itself.
func (p *Process) Stop(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = killGroup(p.cmd) // fails if it has just ended
		<-p.done
	}
}
