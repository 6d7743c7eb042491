package legacy

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"
)

// getmailDelivery carries over [destination] (configuration.txt, "Creating the
// [destination] section").
func (r *reader) getmailDelivery(rc ini, file string, a *Account) {
	top := rc["destination"]["type"]
	if top.File == "" {
		top.Place = Place{File: file}
	}
	to, why := rc.getmailChoice(top)
	if strings.HasPrefix(rc["retriever"]["type"].text, "Multidrop") { // messages have envelope recipients
		locals := rc["destination"]["locals"].text
		if pairs, ok := parsePairs(locals); top.text == "MultiSorter" && (len(pairs) > 0 || !ok && locals != "") {
			r.getmailMultidrop(rc, to, a)
			r.multiSorter(rc, !rc.forEach(to), a)
			return
		}
		if rc.forEach(to) {
			r.getmailMultidrop(rc, to, a)
			return
		}
	}
	a.Delivery = r.getmailTarget(rc, to)
	if why != "" {
		r.instead(top.Place, why, way{to: a.Delivery})
	}
}

// getmailChoice is the one of several destinations that gets all mail, or what no pattern
// matches. why is what is to be said if it gets all.
func (rc ini) getmailChoice(top iniValue) (to iniValue, why string) {
	of := rc["destination"]
	switch top.text {
	case "MultiSorter", "MultiGuesser":
		if of["locals"].text != "" {
			why = "type: popferry does not sort by " + top.text + "'s patterns, and takes its default"
		}
		return of["default"].at(top.Place), why
	case "MultiDestination":
		all, _ := parseTuple(of["destinations"].text)
		if len(all) > 1 {
			why = "type: an account has one destination in popferry, so the first of several is used"
		}
		return iniValue{top.Place, strings.Join(all[:min(1, len(all))], "")}, why
	}
	return iniValue{top.Place, "[destination]"}, ""
}

// at is the value, or an empty one in its place.
func (v iniValue) at(place Place) iniValue {
	if v.File == "" {
		v.Place = place
	}
	return v
}

// section is the one that a destination names as [SECTION]; nil: it is a path.
func (rc ini) section(v iniValue) map[string]iniValue {
	name := strings.TrimSpace(v.text)
	if !strings.HasPrefix(name, "[") {
		return nil
	}
	return rc[strings.ToLower(strings.Trim(name, "[]"))]
}

// forEach reports whether a destination delivers a message to the recipient that its
// envelope has. Any other puts all mail into one place.
func (rc ini) forEach(v iniValue) bool {
	of := rc.section(v)
	switch of["type"].text {
	case "MDA_lmtp":
		return of["override"].text == ""
	case "MDA_external":
		return strings.Contains(of["arguments"].text, "%(recipient)") || strings.Contains(of["arguments"].text, "%(local)")
	}
	return false
}

// getmailTarget is a destination that another one names: [SECTION], or the path of a
// Maildir or of a mbox file.
func (r *reader) getmailTarget(rc ini, v iniValue) Delivery {
	name := strings.TrimSpace(v.text)
	switch {
	case name == "":
		return r.instead(v.Place, "[destination]: it names none", way{})
	case strings.HasPrefix(name, "["):
		section := rc.section(v)
		return r.getmailSection(section, section["type"].at(v.Place))
	case strings.HasSuffix(name, "/"):
		return r.getmailMaildir(v.Place, name)
	}
	return r.mbox(v.Place, "mbox file", r.env.User)
}

// getmailMaildir is a Maildir. Where another user's home folder is is not known.
func (r *reader) getmailMaildir(at Place, dir string) Delivery {
	if strings.HasPrefix(dir, "~") && !strings.HasPrefix(dir, "~/") {
		return r.instead(at, "Maildir: "+dir+" is in the home folder of another user, whose path is not known", way{})
	}
	return Delivery{Maildir: r.expand("", dir)}
}

// getmailSection is a destination with a section of its own.
func (r *reader) getmailSection(to map[string]iniValue, kind iniValue) Delivery {
	user := cmp.Or(to["user"].text, r.env.User)
	switch kind.text {
	case "MDA_lmtp":
		return r.getmailLMTP(to)
	case "Maildir":
		if to["user"].text != "" {
			r.setup.remark(to["user"].Place, "user: popferry writes to the Maildir as the user that it runs as, who needs access to it")
		}
		return r.getmailMaildir(kind.Place, to["path"].text)
	case "Mboxrd":
		return r.mbox(kind.Place, kind.text, user)
	case "MDA_external":
		args, _ := parseTuple(to["arguments"].text)
		return r.agent(kind.Place, kind.text, strings.Join(append([]string{to["path"].text}, args...), " "), user)
	case "MDA_qmaillocal":
		return r.agent(kind.Place, kind.text, "qmail-local", user)
	}
	return r.instead(kind.Place, "[destination]: popferry delivers to SMTP, LMTP and IMAP servers and Maildirs", way{})
}

// getmailLMTP is an LMTP server.
func (r *reader) getmailLMTP(to map[string]iniValue) Delivery {
	d := Delivery{Host: to["host"].text, LMTP: true, To: to["override"].text}
	if strings.HasPrefix(d.Host, "/") {
		d.Host = "unix:" + d.Host
	} else {
		const lmtpPort = 2003 // of Python's smtplib
		port, _ := strconv.Atoi(to["port"].text)
		d.Port = cmp.Or(port, lmtpPort)
	}
	if v := to["fallback"]; v.text != "" {
		r.setup.remarkAbout(ofServer, v.Place, "fallback: popferry holds, wraps or quarantines refused mail; see on_reject")
	}
	return d
}

// getmailMultidrop carries over a mailbox whose mail is sorted by the envelope recipient.
func (r *reader) getmailMultidrop(rc ini, to iniValue, a *Account) {
	m := &Multidrop{Position: 1}
	a.Multidrop = m
	spec := rc["retriever"]["envelope_recipient"]
	name, position, _ := strings.Cut(spec.text, ":")
	if n, err := strconv.Atoi(strings.TrimSpace(position)); err == nil && n > 0 && n < 1000 {
		m.Position = n
	}
	if !m.setHeader(strings.TrimSpace(name)) {
		r.setup.remarkAbout(ofSorting, spec.at(a.Place).Place, "envelope_recipient: not the name of a field that the last delivery writes; set multidrop.header (popferry help multidrop)")
	}
	if of := rc.section(to); of["type"].text == "MDA_lmtp" && of["fallback"].text != "" {
		m.Otherwise = []string{of["fallback"].text}
		delete(of, "fallback") // nothing to say of it
	}
	if a.Delivery = r.multidropUser(rc, to); a.Delivery.To != "" {
		m.Otherwise, a.Delivery.To = []string{a.Delivery.To}, ""
	}
	r.setup.remarkAbout(ofSorting, a.Place, "type: popferry takes addresses only in the domains that multidrop.domains has, and only above the topmost Received line. What else is in the mailbox goes to multidrop.otherwise, where getmail fails")
}

// multidropUser is a target of a mailbox that is sorted, and who gets mail there; no
// recipient: the one of the envelope. A Maildir is that of a local user, who gets the mail
// from the mail server of this machine: a multidrop mailbox has one server.
func (r *reader) multidropUser(rc ini, v iniValue) Delivery {
	var path string
	of := rc.section(v)
	kind := of["type"].at(v.Place)
	switch {
	case kind.text == "MDA_external" && rc.forEach(v):
		args, _ := parseTuple(of["arguments"].text)
		return r.agent(kind.Place, kind.text, strings.Join(append([]string{of["path"].text}, args...), " "), "")
	case kind.text == "Maildir":
		path = of["path"].text
	case of == nil && strings.HasSuffix(strings.TrimSpace(v.text), "/"):
		path = v.text
	default:
		return r.getmailTarget(rc, v)
	}
	user := cmp.Or(of["user"].text, ownerOf(path), r.env.User)
	return r.localUser(v.Place, "Maildir: a multidrop mailbox needs a mail server in popferry", "", user)
}

// ownerOf is the user whose folder a path begins with, as in ~leo/Maildir or
// /home/leo/Maildir; "" if that cannot be told.
func ownerOf(path string) string {
	path = filepath.ToSlash(path)
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		user, _, _ := strings.Cut(rest, "/")
		return user
	}
	if rest, ok := strings.CutPrefix(path, "/home/"); ok {
		user, _, _ := strings.Cut(rest, "/")
		return user
	}
	return ""
}

// sorterRule is a pattern of MultiSorter: a key of multidrop.map, and who gets its mail.
type sorterRule struct {
	name string
	to   []string
}

// multiSorter carries over the patterns that are addresses. single: what no pattern
// matches goes to one place, which is multidrop.otherwise, else to its own address.
func (r *reader) multiSorter(rc ini, single bool, a *Account) {
	m, locals := a.Multidrop, rc["destination"]["locals"]
	rest := "to its own address"
	if single {
		rest = "to multidrop.otherwise"
	}
	pairs, ok := parsePairs(locals.text)
	if !ok && locals.text != "" {
		r.setup.remarkAbout(ofSorting, locals.Place, "locals: not pairs of strings; all mail goes %s: set multidrop.map (popferry help multidrop)", rest)
	}
	var rules []sorterRule
	for _, pair := range pairs {
		name, ok := addressPattern(pair[0])
		if !ok {
			r.setup.remarkAbout(ofSorting, locals.Place, "locals: the pattern %q is neither an address, a local part nor a domain; what no other pattern matches goes %s: set multidrop.map", pair[0], rest)
			continue
		}
		if _, domain, found := strings.Cut(name, "@"); found {
			m.addDomain(domain)
		}
		before := len(r.setup.Remarks)
		d := r.multidropUser(rc, iniValue{locals.Place, pair[1]})
		for i := range r.setup.Remarks[before:] {
			r.setup.Remarks[before+i].about = ofSorting
		}
		switch {
		case d.Host != a.Delivery.Host || d.Port != a.Delivery.Port:
			r.setup.Remarks = r.setup.Remarks[:before] // it does not go there
			r.setup.remarkAbout(ofSorting, locals.Place, "locals: the pattern %q has another destination than default; a multidrop mailbox has one server in popferry, so what no other pattern matches goes %s", pair[0], rest)
		case d.To != "":
			rules = append(rules, sorterRule{name, []string{d.To}})
		case strings.Contains(name, "@"): // to the address itself
			rules = append(rules, sorterRule{name, []string{name}})
		case single:
			r.setup.remarkAbout(ofSorting, locals.Place, "locals: the pattern %q names no domain, and its destination no recipient; what no other pattern matches goes %s: set multidrop.map", pair[0], rest)
		}
	}
	for _, name := range sorterKeys(rules) {
		for _, rule := range rules { // getmail delivers to all that match
			if rule.matches(name) {
				m.add(name, rule.to...)
			}
		}
	}
	if single {
		m.add("*")
	}
}

// matches reports whether the rule is for all that a key of multidrop.map is for.
func (s sorterRule) matches(key string) bool {
	local, domain, found := strings.Cut(key, "@")
	return s.name == key || found && local != "*" && (s.name == local || s.name == "*@"+domain)
}

// sorterKeys are the keys of multidrop.map for rules: their own, and the addresses for
// which one names the local part and another the domain.
func sorterKeys(rules []sorterRule) (keys []string) {
	for _, rule := range rules {
		keys = append(keys, rule.name)
		if strings.Contains(rule.name, "@") {
			continue
		}
		for _, other := range rules {
			if domain, ok := strings.CutPrefix(other.name, "*@"); ok {
				keys = append(keys, rule.name+"@"+domain)
			}
		}
	}
	return keys
}

// addressPattern returns the key of multidrop.map for a regular expression that stands
// for an address, for a local part in all domains, or for all of a domain. It is not ok
// for any other.
func addressPattern(pattern string) (string, bool) {
	s := strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$")
	s = strings.ReplaceAll(s, `\.`, ".")
	if domain, ok := strings.CutPrefix(s, ".*@"); ok {
		s = "@" + domain
	}
	if local, ok := strings.CutSuffix(s, "@.*"); ok {
		s = local + "@"
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	local, domain, found := strings.Cut(s, "@")
	if !found || strings.Trim(local+domain, plain) != "" || local+domain == "" {
		return "", false
	}
	switch {
	case domain == "":
		return strings.ToLower(local), true
	case local == "":
		local = "*"
	}
	return strings.ToLower(local + "@" + domain), true
}
