package legacy

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
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

// fdmAction reads what is done: by name, as a definition, or several of them, of which
// popferry knows none.
func (r *reader) fdmAction(c *fdmConf, at Place, w *fdmWords) fdmAction {
	if w.take("user", "users") {
		w.list()
	}
	a := fdmAction{Place: at}
	if len(w.rest) > 0 && w.rest[0].quoted { // by name
		if known, ok := c.actions[w.next().text]; ok {
			return known
		}
		return a
	}
	switch word := w.next(); {
	case word.is("drop", "keep"):
		a.kind = word.text
	case word.is("maildir", "mbox", "pipe", "exec"):
		a.kind, a.args = word.text, []string{w.next().text}
	case word.is("smtp"):
		host, port, to := "", "25", ""
		for len(w.rest) > 0 && !w.rest[0].is("continue") {
			switch word := w.next(); {
			case word.is("server"):
				host = w.next().text
			case word.is("port"):
				port = w.next().text
			case word.is("to"):
				to = w.next().text
			case word.is("from"):
				w.next()
			}
		}
		a.kind, a.args = "smtp", []string{host, port, to}
	}
	return a
}

// fdmRule reads a rule.
func (r *reader) fdmRule(c *fdmConf, at Place, w *fdmWords) fdmRule {
	rule := fdmRule{Place: at, simple: true}
	for len(w.rest) > 0 && rule.simple && !w.take("action", "actions") {
		not := ""
		if w.take("not") {
			not = "! "
		}
		switch {
		case w.take("and", "all"):
		case w.take("account", "accounts"):
			rule.accounts = w.list()
			rule.simple = not == ""
		case w.take("case"):
			rule.tests = append(rule.tests, not+fdmRegexp(w, "-E"))
		case len(w.rest) > 0 && w.rest[0].quoted:
			rule.tests = append(rule.tests, not+fdmRegexp(w, "-Ei"))
		case w.take("size"):
			sign, size := w.next().text, fdmSize(w.next().text)
			rule.tests = append(rule.tests, fmt.Sprintf(`%stest "$(wc -c <"$dir/message")" %s %d`, not, map[string]string{"<": "-lt", ">": "-gt"}[sign], size))
			rule.simple = size > 0 && (sign == "<" || sign == ">")
		default:
			rule.simple = false
		}
	}
	rule.action = r.fdmAction(c, at, w)
	rule.simple = rule.simple && len(w.rest) == 0
	return rule
}

// fdmRegexp is a test of the shell for a regular expression in the header, in the body
// or in both. fdm's are extended ones (re_format(7)).
func fdmRegexp(w *fdmWords, flags string) string {
	pattern := w.next().text
	what := "all"
	if w.take("in") {
		what = map[string]string{"headers": "header", "body": "body"}[w.next().text]
	}
	return fmt.Sprintf(`finds %s -e %s "$dir/%s"`, flags, shellQuoted([]string{pattern}), cmp.Or(what, "all"))
}

// applies reports whether a rule is for an account.
func (f fdmRule) applies(account string) bool {
	return len(f.accounts) == 0 || slices.ContainsFunc(f.accounts, func(pattern string) bool {
		ok, err := path.Match(pattern, account)
		return err == nil && ok
	})
}

// fdmRules makes a filter and a destination of the rules for an account. Its destination
// is that of the first rule for all mail; a rule before it drops mail, or sends it
// elsewhere at the same destination.
func (r *reader) fdmRules(c *fdmConf, a *Account) {
	var rules []fdmRule
	rest := fdmAction{Place: a.Place, kind: "keep"}
	if c.dropRest {
		rest.kind = "drop"
	}
	found := false
	for _, rule := range c.rules {
		if !rule.applies(a.Name) {
			continue
		}
		if found = rule.simple && len(rule.tests) == 0; found {
			rest = rule.action
			break
		}
		rules = append(rules, rule)
	}
	r.fdmDestination(rest, a)
	var b strings.Builder
	for i, rule := range rules {
		answer, ok := r.fdmAnswer(rule.action, a)
		if !rule.simple || !ok { // mail that it takes must not be dropped by a later one
			for _, rule := range rules[i:] {
				r.setup.remark(rule.Place, "match: not carried over: popferry does not do the same, or not after an earlier rule that it does not do. Its mail goes the way of all other; set filter (popferry help filters), or let the server of the inbox sort it")
			}
			found = true
			rules = rules[:i]
			break
		}
		fmt.Fprintf(&b, "if %s; then %s; fi\n", strings.Join(rule.tests, " && "), answer)
	}
	if !found { // what no rule has taken is not delivered
		b.WriteString("exit 99\n")
	}
	if b.Len() == 0 {
		return
	}
	a.Filter = []string{"sh", "-c", fdmHead + b.String()}
	at := a.Place
	if len(rules) > 0 {
		at = rules[0].Place
	}
	r.setup.remark(at, "match: carried over as filter; mail that it drops is skipped, and stays on its server (popferry help filters)")
}

// fdmHead has what the tests of a filter need. The header's fields are a line each, with
// a space instead of a line end, as fdm 1.9 reads them.
// What grep cannot tell is a fault: a test may be turned around by not.
const fdmHead = `dir=$(mktemp -d) || exit 75
trap 'rm -rf "$dir"' EXIT
cat >"$dir/message" || exit 75
sed '/^$/q' "$dir/message" | sed -e ':a' -e '$!N' -e 's/\n\([[:blank:]]\)/ \1/' -e 'ta' -e 'P' -e 'D' >"$dir/header"
sed '1,/^$/d' "$dir/message" >"$dir/body"
cat "$dir/header" "$dir/body" >"$dir/all"
finds() {
  grep -q "$@"
  case $? in
  0) return 0 ;;
  1) return 1 ;;
  *) exit 75 ;;
  esac
}
`

// fdmDestination is where an account's mail goes.
func (r *reader) fdmDestination(action fdmAction, a *Account) {
	switch action.kind {
	case "maildir":
		if a.Delivery.Maildir = r.fdmPath(action.args[0]); strings.Contains(a.Delivery.Maildir, "%") {
			r.setup.remark(action.Place, "maildir: its path depends on the message; set path under forward")
		}
	case "mbox":
		a.Delivery = r.mbox(action.Place, "mbox", r.env.User)
	case "pipe", "exec":
		a.Delivery = r.agent(action.Place, action.kind, action.args[0], r.env.User)
	case "smtp":
		a.Delivery = Delivery{Host: action.args[0], To: action.args[2]}
		a.Delivery.Port, _ = strconv.Atoi(action.args[1])
		if a.Delivery.To == "" {
			a.Delivery.To = r.env.User + "@" + localServer
		}
	default:
		r.setup.remark(action.Place, "match: there is no rule for all mail that popferry can do; set a destination under forward")
	}
}

// fdmAnswer is what the filter does for an action; not ok if it cannot.
func (r *reader) fdmAnswer(action fdmAction, a *Account) (string, bool) {
	switch d := a.Delivery; action.kind {
	case "drop", "keep":
		return "exit 99", true
	case "maildir":
		dir := filepath.Clean(r.fdmPath(action.args[0]))
		if d.Maildir != "" && dir == filepath.Clean(d.Maildir) {
			return "exit 0", true
		}
		folder, ok := strings.CutPrefix(dir, filepath.Clean(d.Maildir)+string(filepath.Separator)+".") // Maildir++
		if d.Maildir == "" || !ok || strings.ContainsAny(folder, "%/\n") {
			return "", false
		}
		return "echo " + shellQuoted([]string{"X-Popferry-Folder: " + strings.ReplaceAll(folder, ".", "/")}) + "; exit 0", true
	case "smtp":
		port, _ := strconv.Atoi(action.args[1])
		if to := action.args[2]; to != "" && d.Host == action.args[0] && d.Port == port && !strings.ContainsAny(to, "%\n") {
			return "echo " + shellQuoted([]string{"X-Popferry-To: " + to}) + "; exit 0", true
		}
	}
	return "", false
}
