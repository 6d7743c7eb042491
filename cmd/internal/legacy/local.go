package legacy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// Where mail for users of this machine goes, if not to a Maildir.
const (
	dovecotSocket = "/run/dovecot/lmtp" // Dovecot's default
	localServer   = "localhost"
	localPort     = 25
)

// agent is the delivery of a command that got each message, for a local user. name is
// what the file calls it; no user: who gets a message depends on it. Of the command only
// the program is shown.
func (r *reader) agent(at Place, name, command, user string) Delivery {
	words := strings.Fields(command)
	program := ""
	if len(words) > 0 {
		program = path.Base(strings.Trim(words[0], `"'`))
	}
	if program == "dovecot-lda" || program == "deliver" && strings.Contains(words[0], "dovecot") {
		for i := range len(words) - 1 { // as in dovecot-lda -d leo
			if words[i] == "-d" && !strings.ContainsAny(words[i+1], `%$"'`) {
				user = words[i+1]
			}
		}
		return r.instead(at, fmt.Sprintf("%s: popferry does not run %s", name, program), way{to: Delivery{Host: "unix:" + dovecotSocket, LMTP: true, To: user}})
	}
	more := ""
	switch program {
	case "procmail":
		more = ", which can run it (Postfix: mailbox_command = procmail)"
	case "maildrop", "fdm":
		more = ", which can run it (Postfix: mailbox_command)"
	}
	if program == "" {
		program = "a command"
	}
	return r.localUser(at, fmt.Sprintf("%s: popferry does not run %s", name, program), more, user)
}

// localUser is delivery by the mail server of this machine. why says what popferry does
// not do, more what that server can.
func (r *reader) localUser(at Place, why, more, user string) Delivery {
	if user != "" && !strings.Contains(user, "@") {
		user += "@" + localServer
	}
	return r.instead(at, why, way{Delivery{Host: localServer, Port: localPort, To: user}, more})
}

// instead is another delivery than the other program's. The remark says why, and which.
func (r *reader) instead(at Place, why string, w way) Delivery {
	remark := Remark{Place: at, Text: why, way: &w}
	i := slices.IndexFunc(r.setup.Remarks, func(o Remark) bool {
		return o.File == at.File && o.Text == why && o.way != nil && *o.way == w
	})
	r.setup.addOrShare(i, remark)
	return w.to
}

// mbox is the delivery of a file with all messages.
func (r *reader) mbox(at Place, name, user string) Delivery {
	return r.localUser(at, name+": popferry does not write mbox files", "", user)
}

// way is where the mail goes, for the user.
type way struct {
	to   Delivery
	more string // what else the server can do, after the recipient
}

// String says it as the last part of a sentence.
func (w way) String() string {
	d, who := w.to, cmp.Or(w.to.To, "its recipients")
	switch {
	case d.Maildir != "":
		return "mail goes to the Maildir " + d.Maildir
	case d.Host == "":
		return "mail goes to the destination that you set under forward"
	case d.Host == localServer && d.Port == localPort:
		return fmt.Sprintf("mail goes to the mail server of this machine (%s:%d) for %s%s. If there is none, set another destination under forward", d.Host, d.Port, who, w.more)
	case d.Host == "unix:"+dovecotSocket:
		return fmt.Sprintf("mail goes to the LMTP socket of Dovecot (%s) for %s: add lmtp to its protocols, and let popferry's user open the socket (service lmtp)", d.Host, who)
	case d.To == "":
		return "mail goes to " + d.Host
	}
	return fmt.Sprintf("mail goes to %s for %s", d.Host, d.To)
}

// section has the keys of a Maildir.
func maildirSection(path string) config.Section {
	return config.Section{{Key: "protocol", Value: config.ProtocolMaildir}, {Key: "path", Value: path}}
}
