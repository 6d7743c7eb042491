package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOutgoingPutsTheTopAboveTheMessage(t *testing.T) {
	t.Parallel()
	message := "Subject: s\r\n\r\n" + strings.Repeat("a line of the body\r\n", 5000)
	want := "Received: here\r\n" + message
	for name, memory := range map[string]int64{"in memory": 1 << 20, "in a file": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := store(t, memory, message)
			for range 2 { // each Reader begins at the start
				top := []byte("Received: here\r\n")
				byRead, err := io.ReadAll(struct{ io.Reader }{b.Outgoing(top, nil).Reader()})
				if err != nil || string(byRead) != want {
					t.Errorf("by Read: %d octets that begin with %.40q, error %v; want %d, %.40q", len(byRead), byRead, err, len(want), want)
				}
				var byWriteTo bytes.Buffer
				n, err := b.Outgoing(top, nil).Reader().(io.WriterTo).WriteTo(&byWriteTo)
				if err != nil || n != int64(len(want)) || byWriteTo.String() != want {
					t.Errorf("by WriteTo: %d octets that begin with %.40q, error %v; want %d, %.40q", n, byWriteTo.String(), err, len(want), want)
				}
			}
		})
	}
}

// TestOutgoingDeliveredTo: a Delivered-To field that a server would take for a
// loop is left out, and nothing else is.
func TestOutgoingDeliveredTo(t *testing.T) {
	t.Parallel()
	const top = "Received: popferry\r\n"
	to := []string{"leo@Home.Example", "b\u00fccher@b\u00fccher.example"}
	body := "\n\nDelivered-To: leo@home.example\n" + strings.Repeat("text\n", 20_000)
	for header, want := range map[string]string{
		"Subject: s":                                    "Subject: s",
		"Delivered-To: other@home.example\nX: y":        "Delivered-To: other@home.example\r\nX: y",
		"Delivered-To: leo@home.example\nX: y":          "X: y",
		"DELIVERED-TO :\r\n <LEO@home.example>\r\nX: y": "X: y",
		"Return-Path: <a@b>\nX: y\nDelivered-To: leo@home.example\nReceived: z\ndelivered-to: leo@home.example": "X: y\r\nReceived: z",
		"Delivered-To: b\u00fccher@xn--bcher-kva.example\nX: y":                                                 "X: y",
		"X-Delivered-To: leo@home.example":                                                                      "X-Delivered-To: leo@home.example",
		"X: y\n Delivered-To: leo@home.example":                                                                 "X: y\r\n Delivered-To: leo@home.example",
	} {
		want = top + want + strings.ReplaceAll(body, "\n", "\r\n")
		for name, memory := range map[string]int64{"memory": 1 << 20, "file": 0} {
			b := store(t, memory, header+body)
			out := b.Outgoing([]byte(top), to)
			if out.Size() != int64(len(want)) {
				t.Errorf("%q in %s: %d octets, want %d", header, name, out.Size(), len(want))
			}
			var copied bytes.Buffer
			if _, err := io.Copy(&copied, out.Reader()); err != nil {
				t.Error(err)
			}
			read, err := io.ReadAll(iotest.HalfReader(out.Reader()))
			if err != nil || string(read) != copied.String() {
				t.Errorf("%q in %s: read and copied octets differ: %v", header, name, err)
			}
			if copied.String() != want {
				t.Errorf("%q in %s is sent as %.200q, want %.200q", header, name, copied.String(), want)
			}
		}
	}
}

// TestOutgoingOfHugeHeader: the octets behind what is searched for the header stay
// where they are.
func TestOutgoingOfHugeHeader(t *testing.T) {
	t.Parallel()
	header := "X: z\nDelivered-To: a@b\n" + strings.Repeat("X: y\n", headerLimit/4)
	b := store(t, 1<<20, header+"\ntext\n")
	var got bytes.Buffer
	if _, err := io.Copy(&got, b.Outgoing(nil, []string{"a@b"}).Reader()); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(strings.Replace(header, "Delivered-To: a@b\n", "", 1)+"\ntext\n", "\n", "\r\n"); got.String() != want {
		t.Errorf("sent are %d octets that begin %.60q, want %d that begin %.60q", got.Len(), got.String(), len(want), want)
	}
}

// TestOutgoingKeepsAFieldThatMayGoOn: a field of which only the beginning was searched
// is not torn.
func TestOutgoingKeepsAFieldThatMayGoOn(t *testing.T) {
	t.Parallel()
	first := "Delivered-To: a@b\r\nX: "
	last := "Delivered-To: a@b"
	header := first + strings.Repeat("y", headerLimit-len(first)-len("\r\n")-len(last)) + "\r\n" + last
	for more, want := range map[string]string{
		"c\r\n\r\ntext\r\n": strings.TrimPrefix(header, "Delivered-To: a@b\r\n") + "c\r\n\r\ntext\r\n",
		"":                  strings.TrimSuffix(strings.TrimPrefix(header, "Delivered-To: a@b\r\n"), last),
	} {
		var got bytes.Buffer
		if _, err := io.Copy(&got, store(t, 1<<20, header+more).Outgoing(nil, []string{"a@b"}).Reader()); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("with %q behind: sent are %d octets that end in %.40q, want %d that end in %.40q", more, got.Len(), tail(got.String()), len(want), tail(want))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-40):] }
