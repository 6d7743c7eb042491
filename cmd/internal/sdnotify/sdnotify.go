// Package sdnotify tells the service manager how the program is: the protocol
// of sd_notify(3), a datagram a time.
package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// limit is how long telling may take: the manager's queue may be full, and mail
// does not wait for that.
const limit = 5 * time.Second

// Notifier tells one service manager. The zero value tells nobody.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// FromEnv returns the Notifier that the environment asks for: $NOTIFY_SOCKET,
// and $WATCHDOG_USEC if it is meant for this process. Both are removed from
// the environment, so that what is started from here does not speak for us.
func FromEnv() Notifier {
	n := Notifier{socket: os.Getenv("NOTIFY_SOCKET")}
	pid := os.Getenv("WATCHDOG_PID")
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // of a name that is well formed
	}
	return n
}

// Watchdog is after how long without Alive the service manager takes the
// program for dead; 0: never.
func (n Notifier) Watchdog() time.Duration {
	if n.socket == "" {
		return 0
	}
	return n.watchdog
}

// Ready tells that the program has started, or has its new configuration.
func (n Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+status) }

// Reloading tells that the configuration is being read; Ready ends that.
func (n Notifier) Reloading() error {
	now, err := monotonic()
	if err != nil {
		return err
	}
	return n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Microseconds()), "STATUS=reading the configuration")
}

// Stopping tells that the program is about to end.
func (n Notifier) Stopping() error {
	return n.send("STOPPING=1", "STATUS=finishing what is in flight")
}

// Alive is for the watchdog.
func (n Notifier) Alive() error { return n.send("WATCHDOG=1") }

// Status is a line for people.
func (n Notifier) Status(line string) error { return n.send("STATUS=" + line) }

// send sends assignments, one a line. A socket's path can begin with an @,
// which stands for a zero octet: Linux' abstract names; package net knows that
// too.
func (n Notifier) send(assignments ...string) error {
	if n.socket == "" {
		return nil
	}
	for i, a := range assignments {
		assignments[i] = strings.ReplaceAll(a, "\n", " ")
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	if err = conn.SetWriteDeadline(time.Now().Add(limit)); err == nil {
		_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	}
	if cerr := conn.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}
