package smtp

import (
	"bufio"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
)

func TestReadReply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     reply
		err      error
	}{
		{name: "plain", in: "250 ok\r\n", want: reply{code: 250, text: "ok"}},
		{name: "code alone", in: "250\r\n", want: reply{code: 250}},
		{name: "code and space", in: "250 \r\n", want: reply{code: 250}},
		{name: "bare LF", in: "250 ok\n", want: reply{code: 250, text: "ok"}},
		{name: "enhanced", in: "550 5.1.1 unknown\r\n", want: reply{code: 550, enhanced: forwarder.EnhancedCode{5, 1, 1}, text: "unknown"}},
		{name: "enhanced alone", in: "250 2.0.0\r\n", want: reply{code: 250, enhanced: forwarder.EnhancedCode{2, 0, 0}}},
		{name: "enhanced on each line", in: "550-5.7.1 go\r\n550 5.7.1 away\r\n", want: reply{code: 550, enhanced: forwarder.EnhancedCode{5, 7, 1}, text: "go away"}},
		{name: "enhanced on the first line", in: "550-5.7.1 go\r\n550 5.7.11\r\n", want: reply{code: 550, enhanced: forwarder.EnhancedCode{5, 7, 1}, text: "go 5.7.11"}},
		{name: "enhanced of another class", in: "550 4.7.1 no\r\n", want: reply{code: 550, text: "4.7.1 no"}},
		{name: "an address, not enhanced", in: "550 5.6.7.8 no\r\n", want: reply{code: 550, text: "5.6.7.8 no"}},
		{name: "not numbers", in: "550 5.x.8 no\r\n", want: reply{code: 550, text: "5.x.8 no"}},
		{name: "control characters", in: "550 a\x1b[31m\tb\r\n", want: reply{code: 550, text: "a?[31m b"}},
		{name: "long line", in: "250 " + strings.Repeat("x", 9000) + "\r\n", want: reply{code: 250, text: strings.Repeat("x", 1021) + "..."}},
		{name: "too long", in: "250 " + strings.Repeat("x", maxReply) + "\r\n", err: ErrProtocol},
		{name: "many lines", in: strings.Repeat("250-\r\n", maxLines-1) + "250 x\r\n", want: reply{code: 250, text: "x"}},
		{name: "too many lines", in: strings.Repeat("250-x\r\n", maxLines) + "250 x\r\n", err: ErrProtocol},
		{name: "empty", in: "", err: io.ErrUnexpectedEOF},
		{name: "no line end", in: "250 ok", err: io.ErrUnexpectedEOF},
		{name: "half a line end", in: "250 ok\r", err: io.ErrUnexpectedEOF},
		{name: "more to come", in: "250-ok\r\n", err: io.ErrUnexpectedEOF},
		{name: "empty line", in: "\r\n", err: ErrProtocol},
		{name: "no code", in: "ok\r\n", err: ErrProtocol},
		{name: "short code", in: "25 ok\r\n", err: ErrProtocol},
		{name: "long code", in: "2500 ok\r\n", err: ErrProtocol},
		{name: "sign", in: "+25 ok\r\n", err: ErrProtocol},
		{name: "low code", in: "199 ok\r\n", err: ErrProtocol},
		{name: "high code", in: "600 ok\r\n", err: ErrProtocol},
		{name: "two codes", in: "250-ok\r\n550 no\r\n", err: ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.said = tt.want.text // nothing is secret
			got, err := readReply(bufio.NewReader(strings.NewReader(tt.in)), nil)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v and %v, want %+v and %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// FuzzReadReply: whatever a server says, a reply has a code and one line.
func FuzzReadReply(f *testing.F) {
	f.Add("250-2.0.0 a\r\n250 2.0.0 b\r\n")
	f.Add("250\r\n")
	f.Add("550 5.1.\r\n")
	f.Add(strings.Repeat("250-2.0.0 a\r\n", 600))
	f.Add("250-" + strings.Repeat("\xff", 70_000) + "\r\n250 \xe4\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		var r reply
		var err error
		const most = 1 << 20
		if allocates(most, func() { r, err = readReply(bufio.NewReader(strings.NewReader(in)), nil) }) {
			t.Errorf("a reply of %d octets takes more than %d", len(in), most)
		}
		if err != nil {
			return
		}
		if len(r.text) > printable.MaxReply {
			t.Errorf("a text of %d octets, want %d at most", len(r.text), printable.MaxReply)
		}
		if r.code < 200 || r.code > 599 || strings.ContainsAny(r.text, "\r\n\x00\x1b") {
			t.Errorf("%q gives %+v, want a code of 200 to 599 and a text in one line", in, r)
		}
	})
}

// allocates reports whether each of three calls of f allocates more than so many
// octets. One may have met with what else the process does.
func allocates(most uint64, f func()) bool {
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if after.TotalAlloc-before.TotalAlloc <= most {
			return false
		}
	}
	return true
}
