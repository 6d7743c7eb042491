package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
)

// listedMail is a message at the source.
type listedMail struct{ uid, octets string }

// readMailbox reads a mailbox, once no session before has it any more.
func readMailbox(t *testing.T, s matrixSource) (all []listedMail) {
	t.Helper()
	testworld.WaitFor(t, "the mailbox is not in use", func() bool {
		r := openMailbox(t, s)
		defer r.conn.Close() // without QUIT, so that the server need not keep that they were read
		if reply := r.ask("PASS " + s.password); strings.Contains(reply, "[IN-USE]") {
			return false
		} else if !strings.HasPrefix(reply, "+OK") {
			t.Fatalf("PASS: got %q, want +OK", reply)
		}
		for entry := range strings.Lines(r.text("UIDL")) {
			_, uid, _ := strings.Cut(strings.TrimSpace(entry), " ")
			all = append(all, listedMail{uid: uid})
		}
		for i := range all {
			all[i].octets = r.text(fmt.Sprint("RETR ", i+1))
		}
		return true
	})
	return all
}

// mailboxReader is a POP3 client other than popferry's.
type mailboxReader struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// openMailbox begins a session, up to PASS.
func openMailbox(t *testing.T, s matrixSource) *mailboxReader {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r := &mailboxReader{t, conn, bufio.NewReader(conn)}
	r.line()
	r.ask("USER " + s.user)
	return r
}

func (r *mailboxReader) line() string {
	r.t.Helper()
	text, err := r.r.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// ask returns the first line of the reply to a command.
func (r *mailboxReader) ask(command string) string {
	r.t.Helper()
	fmt.Fprintf(r.conn, "%s\r\n", command)
	return r.line()
}

// text returns a multi-line reply.
func (r *mailboxReader) text(command string) string {
	r.t.Helper()
	if reply := r.ask(command); !strings.HasPrefix(reply, "+OK") {
		r.t.Fatalf("%s: got %q, want +OK", command, reply)
	}
	var b strings.Builder
	for {
		line := r.line()
		if line == ".\r\n" {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}
