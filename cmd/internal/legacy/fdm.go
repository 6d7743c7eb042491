package legacy

import (
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// fdmPlaces returns where fdm looks for its file (fdm.conf(5), "Files").
func (r *reader) fdmPlaces() []string { return []string{r.home(".fdm.conf"), "/etc/fdm.conf"} }

// fdmConf is an fdm.conf as far as popferry has use for it.
type fdmConf struct {
	accounts []Account
	actions  map[string]fdmAction
	rules    []fdmRule
	macros   map[string]string
	maxSize  int64
	proxy    string
	dropRest bool // unmatched-mail drop
}

// fdmAction is what is done to a message.
type fdmAction struct {
	Place
	kind string   // drop, keep, maildir, mbox, smtp, pipe, exec; "": popferry cannot do it
	args []string // path or command; of smtp host, port and recipient
}

// fdmRule is a rule.
type fdmRule struct {
	Place
	accounts []string // patterns of names; none: all
	tests    []string // commands of the shell, each of which is to succeed
	simple   bool     // popferry can test the same
	action   fdmAction
}

// fdm reads an fdm.conf, and the UIDs of the messages that were fetched. Rules become a
// filter as far as popferry can do the same.
func (r *reader) fdm(file, text string) error {
	c := &fdmConf{actions: make(map[string]fdmAction), macros: make(map[string]string)}
	for _, s := range fdmStatements(file, text) {
		for i, t := range s.rest {
			s.rest[i].text = c.expand(t)
		}
		if err := r.fdmStatement(c, s); err != nil {
			return err
		}
	}
	for _, a := range c.accounts {
		before := len(r.setup.Remarks)
		a.MaxSize = c.maxSize
		if c.proxy != "" && a.Route.Command == "" {
			r.fdmProxy(c.proxy, &a)
		}
		r.fdmRules(c, &a)
		r.setup.Accounts = append(r.setup.Accounts, a)
		r.setup.assign(before, len(r.setup.Accounts)-1)
	}
	return nil
}

// isMacro reports whether a word is a macro, of a string or a number.
func isMacro(word string) bool { return strings.HasPrefix(word, "$") || strings.HasPrefix(word, "%") }

// maxMacro bounds the value of a macro, in octets.
const maxMacro = 1 << 10

// expand puts in macros.
func (c *fdmConf) expand(t fdmToken) string {
	if value, ok := c.macros[t.text]; ok && !t.quoted {
		return value
	}
	if t.quoted {
		for name, value := range c.macros {
			t.text = strings.ReplaceAll(t.text, name[:1]+"{"+name[1:]+"}", value)
		}
	}
	return t.text
}

func (r *reader) fdmStatement(c *fdmConf, s fdmStatement) error {
	w := &fdmWords{s.rest}
	switch {
	case isMacro(s.word) && w.take("="):
		if value := w.next().text; len(value) <= maxMacro { // which may have others in it, over and over
			c.macros[s.word] = value
		}
	case s.word == "set":
		r.fdmSet(c, s.Place, w)
	case s.word == "account":
		a, ok, err := r.fdmAccount(s.Place, w)
		if ok {
			c.accounts = append(c.accounts, a)
		}
		return err
	case s.word == "action":
		name := w.next().text
		c.actions[name] = r.fdmAction(c, s.Place, w)
	case s.word == "match":
		c.rules = append(c.rules, r.fdmRule(c, s.Place, w))
	case s.word == "include":
		r.setup.remark(s.Place, "include: name that file, too, in the same import")
	case s.word == "cache", s.word == "endif":
	default:
		r.setup.remark(s.Place, "popferry ignores a statement here that it does not know; it is not shown, because it may be a part of a password")
	}
	return nil
}

func (r *reader) fdmSet(c *fdmConf, at Place, w *fdmWords) {
	switch option := w.next().text; option {
	case "maximum-size":
		c.maxSize = fdmSize(w.next().text)
	case "proxy":
		c.proxy = w.next().text
	case "unmatched-mail":
		c.dropRest = w.take("drop")
	case "verify-certificates", "allow-multiple", "lock-file", "lock-types", "lock-wait", "lock-timeout", "queue-high", "queue-low", "timeout", "purge-after",
		"no-received", "no-create", "file-umask", "file-group", "lookup-order", "strip-characters", "ignore-errors":
	case "default-user", "command-user", "delete-oversized":
		r.setup.remark(at, "set %s: popferry has nothing like it; it runs everything as one user, and deletes only what it has forwarded", option)
	}
}

// fdmSize reads a size with K, M or G; 0 if it is not valid.
func fdmSize(s string) int64 {
	s = strings.ToLower(s)
	if n, ok := strings.CutSuffix(s, "g"); ok {
		return mpopSize(n+"m") << 10
	}
	return mpopSize(s)
}

// fdmProxy carries over set proxy.
func (r *reader) fdmProxy(url string, a *Account) {
	if rest, ok := strings.CutPrefix(url, "socks://"); ok && !strings.Contains(rest, "@") {
		if !strings.Contains(rest, ":") {
			rest += ":" + socksPort
		}
		a.Route.SOCKS = rest
		return
	}
	r.setup.remarkOnce(a.Place, "set proxy: not carried over, because it is one of HTTP or has a login; set proxy (popferry help networks)")
}

// fdmAccount reads an account; not ok if it is not a POP3 mailbox.
func (r *reader) fdmAccount(at Place, w *fdmWords) (a Account, ok bool, err error) {
	a = Account{Place: at, Name: w.next().text}
	if w.take("user", "users") {
		w.list()
	}
	a.Disabled = w.take("disabled")
	kind := w.next().text
	switch {
	case kind != "pop3" && kind != "pop3s":
		r.setup.remark(at, "%s is not a POP3 mailbox; popferry leaves it to fdm", a.Name)
		r.setup.assign(len(r.setup.Remarks)-1, -1)
		return a, false, nil
	case w.take("pipe"):
		a.Route.Command = w.next().text
		a.Host = localServer
		r.setup.remark(at, "pipe: carried over as proxy, whose command is run without a shell; set host to the server that it leads to")
	}
	a.TLS.Mode = config.TLSStart
	cache := ""
	for len(w.rest) > 0 {
		switch word := w.next(); {
		case word.is("server"):
			a.Host = w.next().text
		case word.is("port"):
			a.Port, _ = strconv.Atoi(w.next().text)
		case word.is("user"):
			a.Username = w.next().text
		case word.is("pass"):
			a.Password = Secret(w.next().text)
		case word.is("cache"):
			cache = w.next().text
		case word.is("keep"):
			a.Leave.Keep = true
		case word.is("old-only"):
			r.setup.remark(at, "old-only: popferry fetches only what it has not fetched before")
		}
	}
	switch {
	case kind == "pop3s":
		a.TLS.Mode = config.TLSImplicit
	case a.clear() || a.Route.Command != "":
		a.TLS.Mode = config.TLSNone
	}
	if a.Username == "" || a.Password == "" {
		file := r.home(".netrc")
		if a.Password = r.netrc(file, a.Username, a.Host); a.Password == "" {
			r.setup.todo(at, "%s at %s has no user or password here or in %s; write the password to the password_file", a.Username, a.Host, file)
		}
	}
	return a, a.Host != "", r.fdmCache(cache, &a)
}

// fdmCache reads lines of the length of a UID and the UID.
func (r *reader) fdmCache(name string, a *Account) error {
	if name == "" {
		return nil
	}
	for _, file := range r.stateFiles(r.fdmPath(name)) {
		text, there, err := r.readState(file)
		if err != nil {
			return err
		}
		if !there {
			a.Seen.Missing = file
			continue
		}
		a.Seen.File = file
		for line := range strings.Lines(text) {
			if _, uid, ok := strings.Cut(strings.TrimRight(line, "\r\n"), " "); ok {
				a.Seen.add(uid)
			}
		}
	}
	return nil
}

// fdmPath puts the home folder into a path.
func (r *reader) fdmPath(name string) string {
	return r.expand("", strings.NewReplacer("%h", r.home(), "%[home]", r.home(), "${HOME}", r.home()).Replace(name))
}
