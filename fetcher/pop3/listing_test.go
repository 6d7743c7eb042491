package pop3

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestListing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("u", 1000)
	for _, tt := range []struct {
		name       string
		uidl, list []string
		want       []Entry
		malformed  int
	}{
		{"empty", nil, nil, nil, 0},
		{"plain", []string{"1 a", "2 b"}, []string{"1 10", "2 20"}, []Entry{{1, "a", 10}, {2, "b", 20}}, 0},
		{"spaces and tabs", []string{"1   a", "2\tb  ", " 3 c\t"}, []string{"1\t10 ", "  2  20", "3 30"}, []Entry{{1, "a", 10}, {2, "b", 20}, {3, "c", 30}}, 0},
		{"numbers left out", []string{"2 b", "7 g"}, []string{"2 20", "7 70"}, []Entry{{2, "b", 20}, {7, "g", 70}}, 0},
		{"out of order", []string{"3 c", "1 a", "2 b"}, []string{"2 20", "3 30", "1 10"}, []Entry{{1, "a", 10}, {2, "b", 20}, {3, "c", 30}}, 0},
		{"UID of 1000 octets", []string{"1 " + long}, []string{"1 10"}, []Entry{{1, long, 10}}, 0},
		{"UID with spaces and 8-bit octets", []string{"1 a b  \xe9\xff", "2 \x01\x00"}, []string{"1 10", "2 20"}, []Entry{{1, "a b  \xe9\xff", 10}, {2, "\x01\x00", 20}}, 0},
		{"UIDs that are numbers", []string{"1 2", "2 1"}, []string{"1 10", "2 20"}, []Entry{{1, "2", 10}, {2, "1", 20}}, 0},
		{"doubled UIDs", []string{"1 same", "2 same"}, []string{"1 10", "2 20"}, []Entry{{1, "same", 10}, {2, "same", 20}}, 0},
		{"a dot in front", []string{"..1 a", "2 .b"}, []string{"2 20"}, []Entry{{2, ".b", 20}}, 1},
		{"doubled numbers", []string{"1 a", "2 b", "1 c"}, []string{"1 10", "2 20", "1 99"}, []Entry{{1, "a", 10}, {2, "b", 20}}, 1},
		{"no UID, known to LIST", []string{"1 a", "2 ", "3"}, []string{"1 10", "2 20"}, []Entry{{1, "a", 10}, {2, "", 20}}, 1},
		{"junk", []string{"garbage", "1 a", "7", "", "abc def", "-1 x", "0 zero", "99999999999999999999 huge", "2 b", "+3 c", "0x4 d"},
			[]string{"1 10", "junk", "2 20"}, []Entry{{1, "a", 10}, {2, "b", 20}}, 10},
		{"LIST lacks one", []string{"1 a", "2 b"}, []string{"1 10"}, []Entry{{1, "a", 10}, {2, "b", -1}}, 0},
		{"sizes that are none", []string{"1 a", "2 b", "3 c", "4 d"}, []string{"1 -5", "2 9223372036854775808", "3 x", "4"},
			[]Entry{{1, "a", -1}, {2, "b", -1}, {3, "c", -1}, {4, "d", -1}}, 0},
		{"words behind the size", []string{"1 a"}, []string{"1 10 octets"}, []Entry{{1, "a", 10}}, 0},
		{"a line of 10 kB", []string{"1 " + strings.Repeat("x", 10_000), "2 b"}, []string{"2 20"}, []Entry{{2, "b", 20}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, slices.Concat(multi("UIDL", tt.uidl), multi("LIST", tt.list))...)
			l, err := c.Listing(t.Context())
			if err != nil || !slices.Equal(l.Entries, tt.want) || l.Malformed != tt.malformed {
				t.Errorf("%+v, %v; want %+v and %d malformed lines", l, err, tt.want, tt.malformed)
			}
		})
	}
}

// Messages that UIDL left out, and LIST has, are asked for one by one.
func TestListingThatContradictsItself(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		uidl    []string
		replies []string // to UIDL 2 and UIDL 3
		want    []Entry
		without int
		fails   bool
	}{
		{"both are known after all", []string{"1 a"}, []string{"+OK 2 b", "+OK 3 c"}, []Entry{{1, "a", 10}, {2, "b", 20}, {3, "c", 30}}, 0, false},
		{"one is refused", []string{"1 a"}, []string{"-ERR no", "+OK 3 c"}, []Entry{{1, "a", 10}, {3, "c", 30}}, 1, false},
		{"another number, no UID", []string{"1 a"}, []string{"+OK 3 c", "+OK 3"}, []Entry{{1, "a", 10}}, 2, false},
		{"none in UIDL", nil, []string{"-ERR no", "-ERR no"}, nil, 0, true},
		{"none in UIDL, but one by one", nil, []string{"+OK 2 b", "-ERR no"}, []Entry{{2, "b", 20}}, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list := []string{"2 20", "3 30"}
			if len(tt.uidl) > 0 {
				list = append(list, "1 10")
			}
			script := slices.Concat(multi("UIDL", tt.uidl), multi("LIST", list))
			for i, r := range tt.replies {
				script = append(script, "C: UIDL "+strconv.Itoa(i+2), "S: "+r)
			}
			l, err := ready(t, script...).Listing(t.Context())
			var violation *ProtocolError
			if errors.As(err, &violation) != tt.fails || !slices.Equal(l.Entries, tt.want) || l.WithoutUID != tt.without {
				t.Errorf("%+v, %v; want %+v, %d without a UID, fails %v", l, err, tt.want, tt.without, tt.fails)
			}
		})
	}
}

// multi is the script of a command with a multi-line reply.
func multi(command string, lines []string) []string {
	out := []string{"C: " + command, "S: +OK"}
	for _, l := range lines {
		out = append(out, "S: "+l)
	}
	return append(out, "S: .")
}

func TestList(t *testing.T) {
	t.Parallel()
	c := ready(t, multi("LIST", []string{"2 20", "junk", "1 10"})...)
	if l, err := c.List(t.Context()); err != nil || !slices.Equal(l, []Entry{{1, "", 10}, {2, "", 20}}) {
		t.Errorf("LIST %+v, %v", l, err)
	}
}

func TestListingRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reply  string
		noUIDL bool
	}{
		{"-ERR unknown command", true},
		{"-ERR", true},
		{"-ERR not implemented", true},
		{"-ERR login allowed only every 15 minutes", false},
		{"-ERR [SYS/TEMP] later", false},
		{"-ERR [IN-USE] locked", false},
	} {
		c := ready(t, "C: UIDL", "S: "+tt.reply, "C: NOOP", "S: +OK")
		_, err := c.Listing(t.Context())
		if errors.Is(err, ErrNoUIDL) != tt.noUIDL {
			t.Errorf("%s: %v; want ErrNoUIDL: %v", tt.reply, err, tt.noUIDL)
		}
		refused(t, err)
		if err := c.Noop(t.Context()); err != nil {
			t.Errorf("the session does not go on: %v", err)
		}
	}
	c := ready(t, append(multi("UIDL", []string{"1 a", "2", "3 c"}), "C: LIST", "S: -ERR no")...)
	if l, err := c.Listing(t.Context()); err != nil || !slices.Equal(l.Entries, []Entry{{1, "a", -1}, {3, "c", -1}}) {
		t.Errorf("LIST refused: %+v, %v", l, err)
	}
}

// An incomplete listing is an error.
func TestListingBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string
		want  error
	}{
		{"cut", []string{"C: UIDL", "S: +OK", "S: 1 a", "R: 2 b", "X:"}, errEOF},
		{"cut before the dot", []string{"C: UIDL", "S: +OK", "S: 1 a", "X:"}, errEOF},
		{"cut in LIST", []string{"C: UIDL", "S: +OK", "S: 1 a", "S: .", "C: LIST", "S: +OK", "R: 1 1", "X:"}, errEOF},
		{"a line without an end", []string{"C: UIDL", "S: +OK", "R: 1 " + strings.Repeat("x", 100_000)}, errProtocol},
		{"no reply but lines", []string{"C: UIDL", "S: 1 a"}, errProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, tt.lines...)
			_, err := c.Listing(t.Context())
			broken(t, c, err, tt.want)
		})
	}
	c := play(t, Options{MaxListing: 3}, append([]string{"S: +OK"}, multi("UIDL", []string{"1 a", "2 b", "3 c", "4 d"})...)...)
	if _, err := c.greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Listing(t.Context())
	broken(t, c, err, errProtocol)
}

// canned is a connection that reads octets and swallows what is written.
type canned struct {
	net.Conn
	io.Reader
}

func (c canned) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// from is a session past its login whose server sends these octets.
func from(octets io.Reader) (*Client, func()) {
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	c := newClient(canned{near, octets}, Options{})
	return c, func() {
		_ = c.Close()
		_ = far.Close()
	}
}

// numbered is UIDL's and LIST's answers for n messages.
func numbered(n int) []byte {
	var b bytes.Buffer
	b.WriteString("+OK\r\n")
	for i := range n {
		p := strconv.AppendInt(b.AvailableBuffer(), int64(i+1), 10)
		p = strconv.AppendInt(append(p, ' '), int64(i+1_000_000_000), 10)
		b.Write(append(p, "\r\n"...))
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}

// one command's answer at a time, so that nothing comes unsolicited.
type answers struct {
	parts [][]byte
}

func (a *answers) Read(p []byte) (int, error) {
	if len(a.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, a.parts[0])
	if a.parts[0] = a.parts[0][n:]; len(a.parts[0]) == 0 {
		a.parts = a.parts[1:]
	}
	return n, nil
}

// A million messages take what their entries take, and little more.
func TestListingMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million messages")
	}
	const n = 1_000_000
	answer := numbered(n) // good for both: the UIDs are numbers
	c, done := from(&answers{[][]byte{answer, answer}})
	defer done()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l, err := c.Listing(t.Context())
	runtime.ReadMemStats(&after)
	if err != nil || len(l.Entries) != n || l.Entries[n-1].Size != 1_000_000_000+n-1 || l.Malformed != 0 {
		t.Fatalf("%d entries, %d malformed lines, %v", len(l.Entries), l.Malformed, err)
	}
	if objects := after.Mallocs - before.Mallocs; objects > n/100 {
		t.Errorf("%d allocations for %d messages", objects, n)
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 60<<20 {
		t.Errorf("%d MB in use", held>>20)
	}
}

// FuzzListing reads any octets as answers to UIDL and LIST.
func FuzzListing(f *testing.F) {
	f.Add([]byte("1 0000000a5f3b2c1d\r\n2 0000000b5f3b2c1d\r\n.\r\n"), []byte("1 1203\r\n2 20311\r\n.\r\n")) // Dovecot
	f.Add([]byte("1 GmailId16ef3b2c1d\r\n2 GmailId17\r\n.\r\n"), []byte("1 5234\r\n2 99\r\n.\r\n"))          // Gmail
	f.Add([]byte("1   a\n2\tb  \n3\n 4  c d \n.\n"), []byte("1\t5\n3 7\n.\n"))
	f.Add([]byte("garbage\r\n7\r\n\r\n-1 x\r\n0 z\r\n99999999999999999999 h\r\n2 b\r\n1 a\r\n2 c\r\n.\r\n"), []byte("2 9223372036854775808\r\n1 -1\r\n.\r\n"))
	f.Add([]byte("9 \rb\r\n.\r\n"), []byte("9 \r7\r\n.\r\n"))
	f.Fuzz(func(t *testing.T, uidl, list []byte) {
		if bytes.Contains(uidl, []byte("\n.\r\n")) != bytes.HasSuffix(uidl, []byte("\n.\r\n")) {
			return // a reply that ends early is out of sync
		}
		ok := []byte("+OK\r\n")
		var l Listing
		var err, session error
		most := uint64(1<<20 + 64*(len(uidl)+len(list)))
		if allocates(most, func() {
			c, done := from(&answers{[][]byte{slices.Concat(ok, uidl), slices.Concat(ok, list)}})
			defer done()
			l, err = c.Listing(t.Context())
			session = c.Err()
		}) {
			t.Errorf("replies of %d and %d octets take more than %d", len(uidl), len(list), most)
		}
		if err != nil {
			if l.Entries != nil || session == nil {
				t.Errorf("entries %+v with error %v, session %v; want none and a broken session", l, err, session)
			}
			return
		}
		last := 0
		for _, e := range l.Entries {
			if e.Number <= last || e.Size < -1 || e.UID == "" && e.Size < 0 || strings.Trim(e.UID, " \t\r\n") != e.UID {
				t.Errorf("entry %+v after number %d", e, last)
			}
			last = e.Number
		}
		if lines := bytes.Count(uidl, []byte("\n")) + bytes.Count(list, []byte("\n")); len(l.Entries)+l.Malformed > lines {
			t.Errorf("%d entries and %d malformed lines of %d lines", len(l.Entries), l.Malformed, lines)
		}
	})
}
