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
	logShown   = 16 << 10 // octets of the log's end, shown when a test fails
)

// leash runs a daemon in the foreground and kills it, with all of its
// processes, when standard input ends: when it is told to, and also when the
// test dies without its clean-up. It does not ask first: Dovecot can take six
// seconds to end, and neither server loses anything.
const leash = `exec 3<&0
setsid "$@" 3<&- & daemon=$!
exec >/dev/null 2>&1
{ cat <&3; kill -s KILL -- -$daemon $daemon; } & watch=$!
wait $daemon
kill $watch`

// daemon is one server that can be stopped and started again.
type daemon struct {
	tb    testing.TB
	name  string
	argv  []string
	log   string   // file
	addrs []string // host:port; these accept connections while it runs

	hold  io.Closer     // closing it ends the server
	ended chan struct{} // closed at the server's end
}

// Start starts the server again after Stop. It returns when all ports answer;
// the test fails if that does not happen.
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
		_ = cmd.Wait() // how it ended is in its log
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if !d.until(ctx, true) {
		d.tb.Fatalf("%s did not start", d.name)
	}
}

// Stop ends the server and every connection to it, as an outage does. It
// returns when no port answers any more.
func (d *daemon) Stop() {
	d.tb.Helper()
	if d.hold == nil {
		return
	}
	_ = d.hold.Close() // it is closed already if the server ended by itself
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

// until waits until all of the ports answer, or none of them. It gives up
// when ctx ends, or when the server did and its ports were to answer.
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

// attach ends the server with the test, and shows its log if the test failed.
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
