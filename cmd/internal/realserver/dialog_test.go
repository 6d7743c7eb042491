package realserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialog speaks to a server line by line.
type dialog struct {
	tb   testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// talk connects; it takes host:port, or the path of a socket.
func talk(tb testing.TB, addr string) *dialog {
	tb.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, addr)
	check(tb, err)
	check(tb, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	tb.Cleanup(func() { conn.Close() })
	return &dialog{tb, conn, bufio.NewReader(conn)}
}

// encrypt does the TLS handshake and trusts only the authority in caFile.
func (d *dialog) encrypt(caFile string) {
	d.tb.Helper()
	pem, err := os.ReadFile(caFile)
	check(d.tb, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	host, _, err := net.SplitHostPort(d.conn.RemoteAddr().String())
	check(d.tb, err)
	conn := tls.Client(d.conn, &tls.Config{RootCAs: pool, ServerName: host})
	check(d.tb, conn.Handshake())
	d.conn, d.r = conn, bufio.NewReader(conn)
}

func (d *dialog) line() string {
	d.tb.Helper()
	line, err := d.r.ReadString('\n')
	check(d.tb, err)
	return strings.TrimRight(line, "\r\n")
}

// expect reads a reply, which may have several lines in SMTP, and checks how
// its last line begins.
func (d *dialog) expect(want string) string {
	d.tb.Helper()
	var all []string
	for {
		line := d.line()
		all = append(all, line)
		if len(line) > 3 && line[3] == '-' && line[0] != '-' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			d.tb.Fatalf("got %q, want %q", line, want)
		}
		return strings.Join(all, "\n")
	}
}

// ask sends a command and expects a reply.
func (d *dialog) ask(want, format string, args ...any) string {
	d.tb.Helper()
	_, err := fmt.Fprintf(d.conn, format+"\r\n", args...)
	check(d.tb, err)
	return d.expect(want)
}

// text reads a multi-line POP3 response as it is on the wire, without the
// stuffed dots.
func (d *dialog) text() []byte {
	d.tb.Helper()
	var all []byte
	for {
		line, err := d.r.ReadBytes('\n')
		check(d.tb, err)
		if string(line) == ".\r\n" {
			return all
		}
		all = append(all, bytes.TrimPrefix(line, []byte("."))...)
	}
}

// send sends the data of a message, which must end with CRLF.
func (d *dialog) send(message []byte) {
	d.tb.Helper()
	stuffed := bytes.ReplaceAll(append([]byte("\r\n"), message...), []byte("\r\n."), []byte("\r\n.."))[2:]
	_, err := io.Copy(d.conn, io.MultiReader(bytes.NewReader(stuffed), strings.NewReader(".\r\n")))
	check(d.tb, err)
}

// hostile returns messages whose octets are easily changed on the way.
func hostile() [][]byte {
	const head = "From: a@example.org\r\nSubject: x\r\n\r\n"
	return [][]byte{
		[]byte(head + "plain\r\n"),
		[]byte(head + ".\r\n..\r\n.x\r\n\r\n.\r\n"),
		[]byte(head + strings.Repeat("long ", 20_000) + "\r\n"),
		[]byte(head + "\xe4\xff\x80 eight bits \xf0\x9f\x90\xa6\r\n"),
		[]byte(head + "a bare\rCR and two\r\rof them\r\n"),
		[]byte("Return-Path: <b@example.org>\r\nBcc: c@example.org\r\nfrom:No space, no address\r\nSubject:\t x \r\n\r\n\r\n\r\n"),
		[]byte("X-Long: " + strings.Repeat("y", 300_000) + "\r\nTo: <d>\r\n\r\nbody\r\n"),
		[]byte(head + "From here\r\n>From there \r\n \t\r\n"),
	}
}

// same compares messages and names the first that differs.
func same(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("message %d: got %.200q (%d octets), want %.200q (%d)", i, got[i], len(got[i]), want[i], len(want[i]))
		}
	}
}
