package legacy

import "strings"

// rcParser parses the tokens of a fetchmailrc. It ignores what it does not know,
// with a remark.
type rcParser struct {
	file     string
	setup    *Setup
	tokens   []rcToken
	known    map[string]rcOption
	out      rcFile
	defaults rcPoll
	strayed  int     // the last line with an unknown word
	entry    *rcPoll // the current server, with the options that its users share
	users    []rcPoll
}

// parseFetchmailrc reads a fetchmailrc.
func parseFetchmailrc(file, text string, setup *Setup) rcFile {
	p := &rcParser{file: file, setup: setup, tokens: rcTokens(text), known: make(map[string]rcOption)}
	p.defaults.server.dns = true
	for _, o := range rcOptions() {
		for name := range strings.FieldsSeq(o.names) {
			p.known[name] = o
		}
	}
	for len(p.tokens) > 0 {
		p.statement(p.next())
	}
	p.end()
	return p.out
}

// next takes a token; the zero token at the end.
func (p *rcParser) next() (t rcToken) {
	if len(p.tokens) > 0 {
		t, p.tokens = p.tokens[0], p.tokens[1:]
	}
	return t
}

// peek reports whether the next token is one of these words.
func (p *rcParser) peek(words ...string) bool {
	for _, w := range words {
		if len(p.tokens) > 0 && p.tokens[0].is(w) {
			return true
		}
	}
	return false
}

func (p *rcParser) statement(t rcToken) {
	switch {
	case t.is("set"):
		p.global()
	case t.is("defaults"):
		p.end()
		p.entry = &p.defaults
	case t.is("poll"), t.is("server"), t.is("skip"):
		p.end()
		entry := p.defaults
		entry.Place, entry.from, entry.skip = Place{p.file, t.line}, t.line, t.is("skip")
		entry.server.name, entry.user.inherited = p.next().text, true
		p.entry = &entry
	case t.is("and"), t.is("with"), t.is("has"), t.is("wants"), t.is("options"), t.is("here"), t.is("there"):
	case t.is("user"), t.is("username"):
		p.beginUser(t)
	case t.is("no"):
		p.option(p.next(), true)
	default:
		p.option(t, false)
	}
}

// beginUser begins a user: a remote one, unless "here" follows.
func (p *rcParser) beginUser(t rcToken) {
	if p.entry == nil {
		p.stray(t)
		return
	}
	user := *p.entry
	if name := p.next().text; p.peek("here") {
		user.user.remote = ""
		user.user.addNames([]string{name})
	} else {
		user.user.remote = name
	}
	if p.entry == &p.defaults {
		p.defaults = user
		return
	}
	user.Line = t.line
	if len(p.users) > 0 { // the first one has what the server's options say, too
		user.from = t.line
	}
	p.users = append(p.users, user)
}

// option reads an option with its arguments.
func (p *rcParser) option(t rcToken, no bool) {
	name := t.text
	if rest, ok := strings.CutPrefix(name, "no"); ok && !no && p.known[name].names == "" {
		name, no = rest, true
	}
	o, known := p.known[name]
	if t.quoted || !known || p.entry == nil {
		p.stray(t)
		return
	}
	if no {
		if o.off != nil {
			o.off(p.target(o))
		}
		return
	}
	args := p.arguments(o)
	switch {
	case o.why != "":
		p.remark(t.line, "%s: %s", name, o.why)
	case o.arg != rcNone && len(args) == 0:
		p.remark(t.line, "%s: the argument is missing", name)
	case o.arg == rcNames && p.peek("there"): // "user local here is remote there"
		p.target(o).user.remote = args[0]
	case o.set != nil:
		o.set(p.target(o), args)
	}
}

// target returns what an option applies to: the last user, or the entry that its
// users start from.
func (p *rcParser) target(o rcOption) *rcPoll {
	if o.server || len(p.users) == 0 {
		return p.entry
	}
	return &p.users[len(p.users)-1]
}

// arguments reads the arguments of an option.
func (p *rcParser) arguments(o rcOption) (args []string) {
	switch o.arg {
	case rcNone:
	case rcWord:
		if len(p.tokens) > 0 { // whatever it is: a password may be a keyword
			args = append(args, p.next().text)
		}
	case rcList, rcNames:
		// The first word after is or to is a name, also if it is a keyword (fetchmail 6.4
		// --configdump).
		for len(p.tokens) > 0 && (!p.keyword(p.tokens[0]) || o.arg == rcNames && len(args) == 0) {
			word := p.next().text
			if p.peek("=") {
				p.next()
				word += "=" + p.next().text
			}
			args = append(args, word)
		}
	}
	return args
}

// keyword reports whether a token ends a list.
func (p *rcParser) keyword(t rcToken) bool {
	if t.quoted {
		return false
	}
	switch t.text {
	case "set", "defaults", "poll", "server", "skip", "and", "with", "has", "wants", "options", "here", "there", "user", "username", "no":
		return true
	}
	_, known := p.known[strings.TrimPrefix(t.text, "no")]
	_, exact := p.known[t.text]
	return known || exact
}

// global reads a "set" option.
func (p *rcParser) global() {
	t := p.next()
	if t.is("no") {
		p.next() // everything that can be turned off is off in popferry, or has no meaning there
		return
	}
	entry := p.entry
	p.entry = nil // what is said here is about all accounts
	defer func() { p.entry = entry }()
	switch t.text {
	case "daemon":
		p.out.daemon = p.next().text
	case "idfile":
		p.out.idfile = p.next().text
	case "postmaster":
		p.out.postmaster = p.next().text
	case "properties":
		p.next()
	case "logfile":
		p.next()
		p.remark(t.line, "set logfile: popferry logs to stderr; redirect it, or use the log of the service manager")
	case "pidfile":
		p.next()
		p.remark(t.line, "set pidfile: popferry needs none, because it never polls a mailbox twice at once"+nothingToDo)
	case "syslog":
		p.remark(t.line, "set syslog: popferry logs to stderr; systemd writes that to the journal")
	case "bouncemail", "spambounce", "softbounce", "invisible", "showdots":
	default:
		p.stray(t)
	}
}

// remark adds a remark on a line: on the current entry, or on all accounts.
func (p *rcParser) remark(line int, format string, args ...any) {
	p.setup.remark(Place{p.file, line}, format, args...)
	if p.entry == nil || p.entry == &p.defaults {
		p.setup.assign(len(p.setup.Remarks)-1, -1)
	}
}

// stray remarks on an unknown word, once a line. The word is not shown, because it
// may be the rest of a password without quotes.
func (p *rcParser) stray(t rcToken) {
	if p.strayed == t.line {
		return
	}
	p.strayed = t.line
	p.remark(t.line, "popferry ignores a word here that it does not know; it is not shown, because it may be a part of a password without quotes. "+
		"fetchmail --version shows whether fetchmail understands it")
}

// end finishes the current entry: each of its users is a mailbox.
func (p *rcParser) end() {
	if p.entry != nil && p.entry != &p.defaults {
		if len(p.users) == 0 {
			p.users = append(p.users, *p.entry)
		}
		for _, u := range p.users {
			u.server = p.entry.server // also what was said after the user
			p.out.polls = append(p.out.polls, u)
		}
	}
	p.entry, p.users = nil, nil
}
