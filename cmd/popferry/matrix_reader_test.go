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

// listMailbox returns the UIDs of a mailbox in their order, once no session before
// has it any more. It is a POP3 client other than popferry's.
func listMailbox(t *testing.T, s matrixSource) (uids []string) {
	t.Helper()
	testworld.WaitFor(t, "the mailbox is not in use", func() bool {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // without QUIT, so that the server need not keep that it was there
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		lines := bufio.NewScanner(conn)
		ask := func(command string) string {
			fmt.Fprint(conn, command)
			lines.Scan()
			return lines.Text()
		}
		ask("")
		ask("USER " + s.user + "\r\n")
		if reply := ask("PASS " + s.password + "\r\n"); strings.Contains(reply, "[IN-USE]") {
			return false
		}
		if reply := ask("UIDL\r\n"); !strings.HasPrefix(reply, "+OK") {
			t.Fatalf("UIDL: got %q, want +OK", reply)
		}
		for lines.Scan() && lines.Text() != "." {
			_, uid, _ := strings.Cut(lines.Text(), " ")
			uids = append(uids, uid)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		return true
	})
	return uids
}
