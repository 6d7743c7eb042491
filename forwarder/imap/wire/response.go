package wire

import (
	"strconv"
	"strings"

	"github.com/popferry/popferry/fetcher/printable"
)

// What stands where other responses have the tag of a command.
const (
	untagged     = "*"
	continuation = "+"
)

// Response is one response of the server (RFC 9051 7).
type Response struct {
	Tag    string
	Status string  // OK, NO, BAD, BYE or PREAUTH; "" for data and continuations
	Code   string  // the response code in upper case, without its arguments
	Args   string  // of the code
	Text   string  // for people; of a continuation all there is
	Data   []Value // the words of data
}

// setStatus takes a status response apart (RFC 9051 7.1). What looks like a code
// and is none stays in the text.
func (r *Response) setStatus(status, rest string) {
	r.Status, r.Text = status, rest
	inside, found := strings.CutPrefix(rest, "[")
	code, text, ended := strings.Cut(inside, "]")
	if !found || !ended {
		return
	}
	name, args, _ := strings.Cut(code, " ")
	r.Code, r.Args, r.Text = strings.ToUpper(name), args, strings.TrimSpace(text)
}

// OK reports whether the command was done.
func (r *Response) OK() bool { return r.Status == "OK" }

// said is a status response as the server wrote it, without its tag, on one line
// and no longer than anybody reads. hide takes the secrets of the login out.
func (r *Response) said(hide func(string) string) string {
	text := r.Status
	if r.Code != "" {
		text += " [" + strings.TrimSpace(r.Code+" "+r.Args) + "]"
	}
	return printable.Reply(hide(text + " " + r.Text))
}

// describe is any response for an error.
func (r *Response) describe(hide func(string) string) string {
	if r.Status == "" {
		return printable.Reply(hide(r.Name() + r.Text))
	}
	return r.said(hide)
}

// Name is what a data response is about: its first word, or the second one if a
// number stands first.
func (r *Response) Name() string {
	switch {
	case len(r.Data) == 0:
		return ""
	case len(r.Data) > 1 && isNumber(r.Data[0].Text):
		return strings.ToUpper(r.Data[1].Text)
	default:
		return strings.ToUpper(r.Data[0].Text)
	}
}

// Words are the texts of a list of values, without its lists.
func Words(values []Value) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		if v.List == nil {
			out = append(out, v.Text)
		}
	}
	return out
}

// Attributes reads a list of names and values by turns; the names in upper case.
func Attributes(list []Value) map[string]Value {
	out := make(map[string]Value, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		out[strings.ToUpper(list[i].Text)] = list[i+1]
	}
	return out
}

// isNumber reports whether s has digits only.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Number reads a number of up to 32 bits; 0: there is none.
func (v Value) Number() uint32 {
	n, err := strconv.ParseUint(v.Text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
