package realserver

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
)

// saslauthd answers, at the socket mux in a folder, what the daemon saslauthd of Cyrus
// SASL is asked: whether a user's password is right. Each user has the same one.
func (r root) saslauthd(folder, password string) {
	r.tb.Helper()
	r.mkdir(folder, 0o755, 0, 0)
	l, err := net.Listen("unix", r.path(folder+"/mux"))
	check(r.tb, err)
	check(r.tb, os.Chmod(r.path(folder+"/mux"), 0o777))
	var all sync.WaitGroup
	r.tb.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() {
				defer c.Close()
				answer := "NO"
				if asked, ok := saslRequest(c); ok && asked[1] == password {
					answer = "OK"
				}
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			})
		}
	})
}

// saslRequest reads the four strings of a request: user, password, service, realm.
func saslRequest(r io.Reader) (asked [4]string, ok bool) {
	for i := range asked {
		var n uint16
		if binary.Read(r, binary.BigEndian, &n) != nil {
			return asked, false
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return asked, false
		}
		asked[i] = string(text)
	}
	return asked, true
}
