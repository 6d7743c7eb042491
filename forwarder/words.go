package forwarder

import (
	"regexp"
	"strings"
)

// addresses are the mail addresses in a reply: in angle brackets with all that
// stands in these, with a local part in quotes (RFC 5321 4.1.2), or bare.
var addresses = regexp.MustCompile(`<(?:"(?:\\.|[^"\\])*"|[^<>"])*@[^<>]*>|"(?:\\.|[^"\\])*"@\S*|\S*@\S*`)

// quotes are what stands in double quotes.
var quotes = regexp.MustCompile(`"[^"]*"`)

// words are what the server says for itself, in lower case. Servers repeat the
// sender's address in a refusal, and after the message a subject or a file's name,
// in quotes. The author of the message chose these, and must not choose by them what
// the destination is blamed for: "450 4.1.8 <a@ratelimit.example>: Domain not found"
// is not about a rate.
func (o Outcome) words() string {
	text := o.Text
	if o.said != nil {
		text = *o.said
	}
	text = addresses.ReplaceAllLiteralString(text, "@")
	if o.Stage == StageDot {
		text = quotes.ReplaceAllLiteralString(text, `""`)
	}
	return strings.ToLower(text)
}
