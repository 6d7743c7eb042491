// Package hellotest has servers for tests that greet and know little more.
package hellotest

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// IMAP starts a server that greets with a line and knows nothing but STARTTLS, with
// a config, and LOGOUT. implicit is TLS from the first octet. It returns the port at
// 127.0.0.1.
func IMAP(tb testing.TB, config *tls.Config, implicit bool, greeting string) (port int) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup
	tb.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				if implicit {
					conn = tls.Server(conn, config)
				}
				speakIMAP(conn, config, greeting)
			})
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

// speakIMAP is one session.
func speakIMAP(conn net.Conn, config *tls.Config, greeting string) {
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say(greeting)
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		_, secure := conn.(*tls.Conn)
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case command == "STARTTLS" && config != nil && !secure:
			say("* OK one moment")
			say(tag + " OK go ahead")
			conn = tls.Server(conn, config)
			r = bufio.NewReader(conn)
		case command == "LOGOUT":
			say("* BYE")
			say(tag + " OK")
			return
		default:
			say(tag + " BAD what?")
		}
	}
}
