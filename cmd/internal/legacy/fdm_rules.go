package legacy

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

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
	var b, gate strings.Builder
	for i, rule := range rules {
		line, code, ok := r.fdmAnswer(rule.action, a)
		if !rule.simple || !ok { // mail that it takes must not be dropped by a later one
			for _, rule := range rules[i:] {
				r.setup.remark(rule.Place, "match: not carried over: popferry does not do the same, or not after an earlier rule that it does not do. Its mail goes the way of all other; set filter (popferry help filters), or let the server of the inbox sort it")
			}
			found = true
			rules = rules[:i]
			break
		}
		test, says := strings.Join(rule.tests, " && "), ""
		if line != "" {
			says = "echo " + shellQuoted([]string{line}) + "; "
		}
		fmt.Fprintf(&b, "if %s; then %sexit %d; fi\n", test, says, code)
		fmt.Fprintf(&gate, "if %s; then exit %d; fi\n", test, code)
	}
	if !found { // what no rule has taken is not delivered
		b.WriteString("exit 99\n")
		gate.WriteString("exit 99\n")
	}
	if b.Len() == 0 {
		return
	}
	a.Filter = []string{"sh", "-c", fdmHead + b.String()}
	if gate.String() != b.String() {
		a.Gate = []string{"sh", "-c", fdmHead + gate.String()}
	}
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
			r.setup.remarkAbout(ofServer, action.Place, "maildir: its path depends on the message; set path under forward")
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
		r.instead(action.Place, "match: there is no rule for all mail that popferry can do", way{})
	}
}

// fdmAnswer is what the filter does for an action: the line that it prints, "" for none,
// and its exit code. It is not ok if it cannot do the same.
func (r *reader) fdmAnswer(action fdmAction, a *Account) (line string, code int, ok bool) {
	switch d := a.Delivery; action.kind {
	case "drop", "keep":
		return "", 99, true
	case "maildir":
		dir := filepath.Clean(r.fdmPath(action.args[0]))
		if d.Maildir != "" && dir == filepath.Clean(d.Maildir) {
			return "", 0, true
		}
		folder, ok := strings.CutPrefix(dir, filepath.Clean(d.Maildir)+string(filepath.Separator)+".") // Maildir++
		if d.Maildir == "" || !ok || strings.ContainsAny(folder, "%/\n") {
			return "", 0, false
		}
		return "X-Popferry-Folder: " + strings.ReplaceAll(folder, ".", "/"), 0, true
	case "smtp":
		port, _ := strconv.Atoi(action.args[1])
		if to := action.args[2]; to != "" && d.Host == action.args[0] && d.Port == port && !strings.ContainsAny(to, "%\n") {
			return "X-Popferry-To: " + to, 0, true
		}
	}
	return "", 0, false
}
