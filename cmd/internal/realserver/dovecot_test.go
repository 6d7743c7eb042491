package realserver

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPOP3(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	d.AddUser("Leo@isp.test", "se:cret")
	want := hostile()
	d.Seed("leo", want...)

	c := talk(t, d.POP3S())
	c.encrypt(d.CAFile())
	c.expect("+OK")
	c.ask("+OK", "USER leo@isp.test")
	c.ask("-ERR [AUTH]", "PASS wrong")
	c.ask("+OK", "USER leo")
	c.ask("+OK", "PASS se:cret")
	var got [][]byte
	for i := range want {
		c.ask("+OK", "RETR %d", i+1)
		got = append(got, c.text())
		c.ask("+OK", "DELE %d", i+1)
	}
	same(t, got, want)
	c.ask("+OK", "QUIT")
	if n := d.Count("leo"); n != 0 {
		t.Errorf("got %d messages left, want none", n)
	}
}

func TestSTLS(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	d.AddUser("leo", "secret")
	d.Seed("leo", []byte("a: b\n\nstored with LF\n"))
	c := talk(t, d.POP3())
	if greeting := c.expect("+OK"); !strings.Contains(greeting, "<") {
		t.Errorf("got greeting %q, want an APOP timestamp in it", greeting)
	}
	c.ask("+OK", "STLS")
	c.encrypt(d.CAFile())
	c.ask("+OK", "CAPA")
	if capa := string(c.text()); !strings.Contains(capa, "SASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\r\n") {
		t.Errorf("got capabilities %q, want SASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 in them", capa)
	}
	c.ask("+OK", "AUTH PLAIN AGxlbwBzZWNyZXQ=")
	c.ask("+OK", "RETR 1")
	same(t, [][]byte{c.text()}, [][]byte{[]byte("a: b\r\n\r\nstored with LF\r\n")})
}

func TestLargeMessage(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	d.AddUser("leo", "secret")
	const lines = 300_000
	line := []byte(strings.Repeat("x", 76) + "\r\n")
	d.SeedFunc("leo", func(w io.Writer) error {
		_, err := w.Write(append([]byte("a: b\r\n\r\n"), bytes.Repeat(line, lines)...))
		return err
	})
	c := talk(t, d.POP3())
	c.expect("+OK")
	c.ask("+OK", "USER leo")
	c.ask("+OK", "PASS secret")
	c.ask("+OK 1 "+strconv.Itoa(8+lines*len(line)), "LIST 1")
}

func TestLMTP(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	d.AddUser("leo", "secret")
	want := hostile()
	for _, addr := range []string{d.LMTP(), d.LMTPSocket()} {
		c := talk(t, addr)
		c.expect("220")
		c.ask("250", "LHLO test")
		c.ask("250", "MAIL FROM:<>")
		c.ask("550 5.1.1", "RCPT TO:<nobody@popferry.test>")
		c.ask("250", "RSET")
		for _, m := range want {
			c.ask("250", "MAIL FROM:<a@example.org>")
			c.ask("250", "RCPT TO:<leo@popferry.test>")
			c.ask("354", "DATA")
			c.send(m)
			c.expect("250")
		}
		c.ask("221", "QUIT")
	}
	same(t, slices.Collect(d.Delivered("leo")), append(want, want...))
}

func TestOutage(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	d.AddUser("leo", "secret")
	d.Seed("leo", hostile()...)
	addr := d.POP3S()
	d.Stop()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("the server answers after Stop, want no answer")
	}
	d.Start()
	if d.POP3S() != addr || d.Count("leo") != len(hostile()) {
		t.Errorf("after a restart: %s with %d messages, want the same address and messages", d.POP3S(), d.Count("leo"))
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t, Config("auth_mechanisms = plain"), Config("login_greeting = ours"))
	if got := talk(t, d.POP3()).expect("+OK"); got != "+OK ours" {
		t.Errorf("got greeting %q, want +OK ours", got)
	}
}
