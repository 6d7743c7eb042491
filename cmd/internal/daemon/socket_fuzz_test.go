package daemon

import (
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/memtest"
	"github.com/popferry/popferry/fetcher"
)

// FuzzRequest: whatever comes through the control socket, the answer is one line of
// JSON, accounts are polled only for a whole request, and memory is bounded.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"poll":["isp"],"wait":true}` + "\n"))
	f.Add([]byte("{}\n"))
	f.Add([]byte(strings.Repeat("[", 20_000) + "\n"))
	f.Add([]byte(`{"poll":["` + strings.Repeat(`","`, 10_000) + `"]}` + "\n"))
	f.Add([]byte(strings.Repeat("x", maxRequest+1)))
	f.Fuzz(func(t *testing.T, octets []byte) {
		polled := false
		s := &socket{poll: func(...string) (<-chan fetcher.Result, int, error) {
			polled = true
			return nil, 0, nil
		}}
		var first response
		const most = 8 << 20
		if memtest.Exceeds(most, func() { first, _ = s.handle(give(octets)) }) {
			t.Errorf("a request of %d octets takes more than %d", len(octets), most)
		}
		line, _, whole := strings.Cut(string(octets), "\n")
		if polled && (!whole || !json.Valid([]byte(line))) {
			t.Errorf("%.80q has started polls", octets)
		}
		if polled == (first.Error != "") {
			t.Errorf("polled: %v, and the answer is the error %q", polled, first.Error)
		}
	})
}

// give is a connection on which these octets come, and then its end.
func give(octets []byte) net.Conn { return &given{in: strings.NewReader(string(octets))} }

type given struct {
	net.Conn
	in io.Reader
}

func (g *given) Read(p []byte) (int, error) { return g.in.Read(p) }

// FuzzResponse: popferry poll reads any answer to its end, and takes nothing for the
// result of a poll that is not there.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"polls":1}` + "\n" + `{"summary":"isp: 1 forwarded"}` + "\n"))
	f.Add([]byte(`{"error":"no","usage":true}` + "\n"))
	f.Add([]byte(`{"polls":9223372036854775807}` + "\n"))
	f.Add([]byte(`{"polls":-1}` + "\n" + `{}` + "\n"))
	path := filepath.Join(f.TempDir(), "l.db")
	l, err := net.Listen("unix", path+".sock")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	f.Fuzz(func(t *testing.T, octets []byte) {
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, maxRequest))
			_, _ = conn.Write(octets)
			_ = conn.Close()
		}()
		results := 0
		err := RequestPolls(t.Context(), &config.Config{State: path}, nil, func(PollResult) error {
			results++
			return nil
		})
		<-served
		if results > strings.Count(string(octets), "{") {
			t.Errorf("%d results in %q", results, octets)
		}
		if err == nil && !strings.Contains(string(octets), "{") && !strings.Contains(string(octets), "null") {
			t.Errorf("%q counts as an answer", octets)
		}
	})
}
