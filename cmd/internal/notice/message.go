package notice

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// maxListed is how many messages of an account are listed.
const maxListed = 10

// Message composes a notice.
func Message(now time.Time, n News, from string, to []string) *forwarder.Message {
	return Compose(now, from, to, n.subject(), n.text())
}

// Compose composes a message that asks not to be answered.
func Compose(now time.Time, from string, to []string, subject, text string) *forwarder.Message {
	var b bytes.Buffer
	domain := "popferry.invalid"
	if i := strings.LastIndexByte(from, '@'); i >= 0 {
		domain = from[i+1:]
	}
	for _, line := range []string{
		"From: popferry <" + from + ">",
		"To: " + strings.Join(to, ",\r\n "),
		"Subject: " + mime.QEncoding.Encode("utf-8", "popferry: "+subject),
		"Date: " + now.Format(time.RFC1123Z),
		"Message-ID: <" + idPrefix + rand.Text() + "@" + domain + ">",
		"Auto-Submitted: auto-generated", // RFC 3834 5: no automatic answers
		"X-Auto-Response-Suppress: All",
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: quoted-printable",
		"",
	} {
		b.WriteString(line + "\r\n")
	}
	q := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(q, strings.ReplaceAll(text, "\n", "\r\n")) // into memory
	_ = q.Close()
	octets := b.Bytes()
	return &forwarder.Message{Sender: from, Recipients: to, Size: int64(len(octets)), Body: func() io.Reader { return bytes.NewReader(octets) }}
}

func (n News) subject() string {
	var parts []string
	if len(n.Failing) > 0 {
		parts = append(parts, "no mail from "+names(n.Failing))
	}
	if len(n.Recovered) > 0 {
		parts = append(parts, names(n.Recovered)+" works again")
	}
	if len(n.Held) > 0 {
		parts = append(parts, "held messages of "+names(accounts(n.Held)))
	}
	if len(n.Late) > 0 {
		parts = append(parts, "delayed messages of "+names(accounts(n.Late)))
	}
	if len(n.Ending) > 0 {
		parts = append(parts, "the sign-in of "+plain(n.Ending[0].Name)+" ends soon")
	}
	return strings.Join(parts, "; ")
}

// accounts are those that messages belong to.
func accounts(list []Waiting) (all []Account) {
	for _, w := range list {
		all = append(all, w.Account)
	}
	return all
}

// names lists the names of the first accounts.
func names(list []Account) string {
	const shown = 3
	var all []string
	for i, a := range list {
		if i == shown {
			return fmt.Sprintf("%s and %d more", strings.Join(all, ", "), len(list)-shown)
		}
		all = append(all, plain(a.Name))
	}
	return strings.Join(all, ", ")
}

func (n News) text() string {
	var b strings.Builder
	for i, a := range n.Failing {
		fmt.Fprintf(&b, "No poll of this account has succeeded since %s:\n\n%s\n\n", n.Since[i].Format(time.RFC1123Z), plain(cause.StoredLine(a.Name, a.Cause)))
	}
	for _, a := range n.Recovered {
		fmt.Fprintf(&b, "%s works again.\n\n", plain(a.Name))
	}
	for _, e := range n.Ending {
		fmt.Fprintf(&b, "The provider ends the sign-in of %s on %s. Run popferry login %[3]s before that, or no mail passes %[3]s any more.\n\n",
			plain(e.User), e.Until.Format(time.RFC1123Z), plain(e.Name))
	}
	for _, w := range n.Held {
		w.list(&b, ledger.Held, "1 message is held and waits on the server for your decision", "%d messages are held and wait on the server for your decision")
	}
	for _, w := range n.Late {
		w.list(&b, ledger.Deferred, "1 message has been waiting for five days; popferry tries to forward it once a day", "%d messages have been waiting for five days; popferry tries to forward each of them once a day")
	}
	b.WriteString("-- \nSent by popferry, which collects your mail. It will not write about this again until something changes.\n")
	return b.String()
}

// list lists messages in a state, after what is to say of one, or of several.
func (w Waiting) list(b *strings.Builder, state ledger.State, one, several string) {
	words, all := one, len(w.Messages)
	if all > 1 {
		words = fmt.Sprintf(several, all)
	}
	if w.New < all {
		words += fmt.Sprintf("; the first %d are new", w.New)
	}
	fmt.Fprintf(b, "%s: %s:\n\n", plain(w.Account.Name), words)
	for i, r := range w.Messages {
		if i == maxListed {
			fmt.Fprintf(b, "  and %d more\n", all-maxListed)
			break
		}
		fmt.Fprintf(b, "  from %s: %s\n    %s\n", plain(r.Excerpt.From), plain(r.Excerpt.Subject), plain(r.Cause.Text))
	}
	fmt.Fprintf(b, "\nTo list them, use popferry messages --state %s. To deal with them, use popferry show, retry or skip.\n\n", state)
}

// plain makes a text one line of bounded length without control characters.
func plain(s string) string { return terminal.Printable(s, 500) }
