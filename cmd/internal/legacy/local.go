package legacy

import (
	"cmp"
	"fmt"
	"path"
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
		r.setup.remark(at, "%s: popferry does not run %s; mail goes to the LMTP socket of Dovecot (unix:%s) for %s: add lmtp to its protocols, and let popferry's user open the socket (service lmtp)", name, program, dovecotSocket, cmp.Or(user, "its recipients"))
		return Delivery{Host: "unix:" + dovecotSocket, LMTP: true, To: user}
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
	to, who := user, cmp.Or(user, "its recipients")
	if to != "" && !strings.Contains(to, "@") {
		to += "@" + localServer
		who = to
	}
	r.setup.remarkOnce(at, "%s; mail goes to the mail server of this machine (%s:%d) for %s%s. If there is none, set another destination under forward", why, localServer, localPort, who, more)
	return Delivery{Host: localServer, Port: localPort, To: to}
}

// mbox is the delivery of a file with all messages.
func (r *reader) mbox(at Place, name, user string) Delivery {
	return r.localUser(at, name+": popferry does not write mbox files", "", user)
}

// section has the keys of a Maildir.
func maildirSection(path string) config.Section {
	return config.Section{{Key: "protocol", Value: config.ProtocolMaildir}, {Key: "path", Value: path}}
}
