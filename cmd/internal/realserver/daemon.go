package realserver

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

const (
	startLimit = time.Minute // until all ports answer
	stopLimit  = time.Minute // until no port answers
	tick       = 5 * time.Millisecond
	logShown   = 16 << 10 // octets; how much of the log is shown when a test fails
)

// leash runs a daemon in the foreground and kills it with all its processes when
// stdin ends: when Stop closes it, and also when the test dies without cleaning
// up. It kills at once, because Dovecot can take six seconds to stop and neither
// server loses anything.
const leash = `exec 3<&0
setsid "$@" 3<&- & daemon=$!
exec >/dev/null 2>&1
{ cat <&3; kill -s KILL -- -$daemon $daemon; } & watch=$!
wait $daemon
kill $watch`

// daemon is a server that can be stopped and started again.
type daemon struct {
	tb    testing.TB
	name  string
	argv  []string
	log   string   // file
	addrs []string // host:port; they accept connections while it runs

	hold  io.Closer     // closing it stops the server
	ended chan struct{} // closed when the server has ended
}

// Start starts the server, also again after Stop. It returns when all ports
// answer; otherwise the test fails.
func (d *daemon) Start() {
	d.tb.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", leash, d.name}, d.argv...)...)
	output, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	check(d.tb, err)
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	d.hold, err = cmd.StdinPipe()
	check(d.tb, err)
	check(d.tb, cmd.Start())
	ended := make(chan struct{})
	d.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the log has the reason
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if !d.until(ctx, true) {
		d.tb.Fatalf("%s did not start", d.name)
	}
}

// Stop stops the server and closes every connection to it, as an outage does. It
// returns when no port answers any more.
func (d *daemon) Stop() {
	d.tb.Helper()
	if d.hold == nil {
		return
	}
	_ = d.hold.Close() // fails if the server ended by itself
	d.hold = nil
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	select {
	case <-d.ended:
	case <-ctx.Done():
	}
	if !d.until(ctx, false) {
		d.tb.Errorf("%s did not stop", d.name)
	}
}

// until waits until all ports answer, or none of them. It gives up at the end of
// ctx, and when the server ends while its ports should answer.
func (d *daemon) until(ctx context.Context, answering bool) bool {
	for _, addr := range d.addrs {
		for answers(addr) != answering {
			select {
			case <-ctx.Done():
				return false
			case <-time.After(tick):
			}
			if answering && closed(d.ended) {
				return false
			}
		}
	}
	return true
}

// attach stops the server at the end of the test, and shows its log if the test
// failed.
func (d *daemon) attach() {
	d.tb.Cleanup(func() {
		d.Stop()
		if !d.tb.Failed() {
			return
		}
		text, err := os.ReadFile(d.log)
		if err != nil {
			d.tb.Log(err)
		}
		if len(text) > logShown {
			text = text[len(text)-logShown:]
		}
		d.tb.Logf("log of %s:\n%s", d.name, bytes.TrimSpace(text))
	})
}

func answers(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
