package pop3test_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// raw is a session as leo without a client: what is sent is as the test says.
func raw(t *testing.T, s *pop3test.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for _, line := range []string{"", "USER leo", "PASS secret"} {
		if line != "" {
			_, _ = io.WriteString(conn, line+"\r\n")
		}
		if reply, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(reply, "+OK") {
			t.Fatalf("%s: %q, %v", line, reply, err)
		}
	}
	return conn, in
}

func TestPipelining(t *testing.T) {
	t.Parallel()
	const bye = "+OK bye, 0 deleted\r\n"
	for _, tt := range []struct {
		name    string
		mode    pop3test.Pipelining
		send    []string // each in one piece, when the reply to the one before has come
		want    string
		waiting int
	}{
		{"works", pop3test.PipeliningWorks, []string{"NOOP\r\nNOOP\r\nQUIT\r\n"}, "+OK\r\n+OK\r\n" + bye, 2},
		{"hidden", pop3test.PipeliningHidden, []string{"NOOP\r\nQUIT\r\n"}, "+OK\r\n" + bye, 1},
		{"discards", pop3test.PipeliningDiscards, []string{"NOOP\r\nNOOP\r\nNOOP\r\n", "NOOP\r\n", "QUIT\r\n"}, "+OK\r\n+OK\r\n" + bye, 2},
		{"closes", pop3test.PipeliningCloses, []string{"NOOP\r\n", "NOOP\r\nQUIT\r\n"}, "+OK\r\n", 1},
		{"half a line", pop3test.PipeliningWorks, []string{"NOOP\r\nQU", "IT\r\n"}, "+OK\r\n" + bye, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3test.Options{Pipelining: tt.mode})
			conn, in := raw(t, s)
			var got strings.Builder
			for i, piece := range tt.send {
				_, _ = io.WriteString(conn, piece)
				if i < len(tt.send)-1 {
					line, _ := in.ReadString('\n')
					got.WriteString(line)
				}
			}
			_, _ = io.Copy(&got, in)
			if got.String() != tt.want || s.MostWaiting() != tt.waiting {
				t.Errorf("%q, %d waiting; want %q, %d", got.String(), s.MostWaiting(), tt.want, tt.waiting)
			}
		})
	}
}

// PIPELINING is offered unless it is to be hidden.
func TestPipeliningOffered(t *testing.T) {
	t.Parallel()
	for mode, want := range map[pop3test.Pipelining]bool{
		pop3test.PipeliningWorks: true, pop3test.PipeliningHidden: false,
		pop3test.PipeliningDiscards: true, pop3test.PipeliningCloses: true,
	} {
		s := start(t, pop3test.Options{Pipelining: mode})
		if caps := must(t, s).Capabilities(); caps.Pipelining() != want {
			t.Errorf("mode %d: capabilities %v, want PIPELINING: %v", mode, caps, want)
		}
	}
}

// What came while a long message went out waits as well.
func TestPipeliningDuringBody(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{Pipelining: pop3test.PipeliningDiscards})
	const size = 64 << 20 // more than sockets buffer
	line := append([]byte(strings.Repeat("x", 62)), "\r\n"...)
	s.Add("leo", pop3test.Message{UID: "a", Size: size, Open: func() io.Reader { return io.LimitReader(endless{line}, size) }})
	conn, in := raw(t, s)
	_, _ = io.WriteString(conn, "RETR 1\r\n")
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "NOOP\r\n")
	if n, err := io.Copy(io.Discard, io.LimitReader(in, size+3)); n != size+3 {
		t.Fatalf("%d octets, %v", n, err)
	}
	fmt.Fprint(conn, "QUIT\r\n")
	if rest, err := io.ReadAll(in); string(rest) != "+OK bye, 0 deleted\r\n" || s.MostWaiting() != 1 {
		t.Errorf("%q, %v, %d waiting", rest, err, s.MostWaiting())
	}
}
