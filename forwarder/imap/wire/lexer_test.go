package wire

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// text is a value, or with more of them a list.
func text(s string) Value { return Value{Text: s} }

func list(v ...Value) Value {
	if v == nil {
		v = []Value{}
	}
	return Value{List: v}
}

func TestLexer(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Response{
		"* OK hi\r\n":                    {Tag: "*", Status: "OK", Text: "hi"},
		"* ok\r\n":                       {Tag: "*", Status: "OK"},
		"a1 OK [APPENDUID 1 2] done\r\n": {Tag: "a1", Status: "OK", Code: "APPENDUID", Args: "1 2", Text: "done"},
		"a1 NO [overquota]full\r\n":      {Tag: "a1", Status: "NO", Code: "OVERQUOTA", Text: "full"},
		"a1 NO [oops full\r\n":           {Tag: "a1", Status: "NO", Text: "[oops full"},
		"a1 BAD {5} \"(\r\n":             {Tag: "a1", Status: "BAD", Text: "{5} \"("},
		"+ go ahead\r\n":                 {Tag: "+", Text: "go ahead"},
		"+\r\n":                          {Tag: "+"},
		"+ \n":                           {Tag: "+"},
		"* BYE\n":                        {Tag: "*", Status: "BYE"},
		"* 3 EXISTS\r\n":                 {Tag: "*", Data: []Value{text("3"), text("EXISTS")}},
		"* SEARCH\r\n":                   {Tag: "*", Data: []Value{text("SEARCH")}},
		"* SEARCH  1 2 \r\n":             {Tag: "*", Data: []Value{text("SEARCH"), text("1"), text("2")}},
		"* LIST (\\A \\B) \"/\" {3}\r\na\r\n\r\n": {Tag: "*", Data: []Value{text("LIST"), list(text(`\A`), text(`\B`)), text("/"), text("a\r\n")}},
		"* LIST () NIL \"a\\\"b\\\\\"\r\n":        {Tag: "*", Data: []Value{text("LIST"), list(), text("NIL"), text(`a"b\`)}},
		"* 1 FETCH (BODY[HEADER.FIELDS (A \"B\")] ~{2}\r\n\x00) UID 5)\r\n": {Tag: "*", Data: []Value{text("1"), text("FETCH"),
			list(text(`BODY[HEADER.FIELDS (A "B")]`), text("\x00)"), text("UID"), text("5"))}},
		"* X ((a)(b))\r\n":     {Tag: "*", Data: []Value{text("X"), list(list(text("a")), list(text("b")))}},
		"* X (a\r\n":           {Tag: "*", Data: []Value{text("X"), list(text("a"))}},
		"* X a) b\r\n":         {Tag: "*", Data: []Value{text("X"), text("a"), text("b")}},
		"* X \"a\r\n":          {Tag: "*", Data: []Value{text("X"), text("a")}},
		"* X a\rb\r\n":         {Tag: "*", Data: []Value{text("X"), text("a\rb")}},
		"* X BODY[a\r\n":       {Tag: "*", Data: []Value{text("X"), text("BODY[a")}},
		"* X {0}\r\n \"\"\r\n": {Tag: "*", Data: []Value{text("X"), text(""), text("")}},
		"*\r\n":                {Tag: "*", Data: []Value{text("")}},
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(in + "next"), "octet by octet": iotest.OneByteReader(strings.NewReader(in + "next"))} {
			l := newLexer(r)
			got, err := l.next()
			if len(want.Data) == 0 && got != nil && len(got.Data) == 0 {
				got.Data = nil
			}
			if err != nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("%q, %s: got %+v and %v, want %+v", in, name, got, err, want)
			}
			if rest, _ := io.ReadAll(l.r); string(rest) != "next" {
				t.Errorf("%q, %s: left %q", in, name, rest)
			}
		}
	}
}

// TestLexerCut: half a response is none.
func TestLexerCut(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "a1 OK done", "a1 OK done\r", "+ go", "* 1 FETCH (BODY[] {5}\r\nabc", "* X \"a", "* X (a b", "* X {5}\r\nabcde"} {
		if r, err := newLexer(strings.NewReader(in)).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: got %+v and %v", in, r, err)
		}
	}
}

// TestLexerBudget: each limit has an error that names it.
func TestLexerBudget(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"* OK " + strings.Repeat("x", maxResponse): "a response of more than 262144 octets",
		"* X " + strings.Repeat("x ", maxValues+1): "more than 32768 values",
		"* X (" + strings.Repeat("()", maxValues):  "more than 32768 values",
		"* X " + strings.Repeat("(", 20):           "nested more than 16 deep",
		"* X " + strings.Repeat("{0}\r\n ", 65):    "more than 64 literals",
		"* X {2147483648}\r\n":                     "is not a literal",
		"* X {-1}\r\n":                             "is not a literal",
		"* X {a}\r\n":                              "is not a literal",
		"a1 WHAT\r\n":                              "is not a response",
	} {
		if r, err := newLexer(strings.NewReader(in)).next(); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %+v and %v, want %s", in, r, err, want)
		}
	}
}

// TestLargeLiteral: of a large one the beginning is kept, and the response goes on
// behind it.
func TestLargeLiteral(t *testing.T) {
	t.Parallel()
	in := fmt.Sprintf("* X {%d}\r\n%s end\r\n", 1<<20, strings.Repeat("x", 1<<20))
	r, err := newLexer(strings.NewReader(in)).next()
	if err != nil || len(r.Data) != 3 || len(r.Data[1].Text) != maxLiteral || r.Data[2].Text != "end" {
		t.Errorf("got %v", err)
	}
}

func FuzzLexer(f *testing.F) {
	for _, s := range []string{"* OK [A b] c\r\n", "* 1 FETCH (UID 2 BODY[HEADER.FIELDS (A)] {3}\r\nabc)\r\n", "+ x\r\n", "a1 NO\r\n", "* LIST (\\X) NIL \"a\\\"\"\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := newLexer(strings.NewReader(s))
		for range len(s) + 1 {
			r, err := l.next()
			if err != nil {
				return
			}
			_, _ = r.Name(), r.said(func(s string) string { return s })
			for _, v := range r.Data {
				_ = Attributes(v.List)
			}
		}
		t.Error("there are more responses than octets")
	})
}
