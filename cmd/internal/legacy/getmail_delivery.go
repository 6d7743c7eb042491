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
	to := rc["destination"]
	kind := to["type"]
	if kind.File == "" {
		kind.Place = Place{File: file}
	}
	if strings.HasPrefix(rc["retriever"]["type"].text, "Multidrop") {
		r.getmailMultidrop(rc, kind, a)
		return
	}
	switch kind.text {
	case "MultiSorter", "MultiGuesser":
		r.setup.remark(kind.Place, "type: popferry does not sort by %s's patterns; all mail goes to its default", kind.text)
		a.Delivery = r.getmailTarget(rc, to["default"])
	case "MultiDestination":
		all, _ := parseTuple(to["destinations"].text)
		if len(all) == 0 {
			all = []string{""}
		}
		if len(all) > 1 {
			r.setup.remark(kind.Place, "type: an account has one destination in popferry, where it may have several recipients; the first one is used")
		}
		a.Delivery = r.getmailTarget(rc, iniValue{kind.Place, all[0]})
	default:
		a.Delivery = r.getmailSection(to, kind)
	}
}

// getmailTarget is a destination that another one names: [SECTION], or the path of a
// Maildir or of a mbox file.
func (r *reader) getmailTarget(rc ini, v iniValue) Delivery {
	name := strings.TrimSpace(v.text)
	switch {
	case strings.HasPrefix(name, "["):
		section := rc[strings.ToLower(strings.Trim(name, "[]"))]
		kind := section["type"]
		if kind.File == "" {
			kind.Place = v.Place
		}
		return r.getmailSection(section, kind)
	case strings.HasSuffix(name, "/"):
		return Delivery{Maildir: r.expand("", name)}
	}
	return r.mbox(v.Place, "mbox file", r.env.User)
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
		return Delivery{Maildir: r.expand("", to["path"].text)}
	case "Mboxrd":
		return r.mbox(kind.Place, kind.text, user)
	case "MDA_external":
		args, _ := parseTuple(to["arguments"].text)
		return r.agent(kind.Place, kind.text, strings.Join(append([]string{to["path"].text}, args...), " "), user)
	case "MDA_qmaillocal":
		return r.agent(kind.Place, kind.text, "qmail-local", user)
	}
	r.setup.remark(kind.Place, "[destination]: popferry delivers to SMTP, LMTP and IMAP servers and Maildirs; set one under forward")
	return Delivery{}
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
		r.setup.remark(v.Place, "fallback: popferry holds, wraps or quarantines refused mail; see on_reject")
	}
	return d
}

// getmailMultidrop carries over the mailbox of a domain, and MultiSorter as far as its
// patterns are addresses.
func (r *reader) getmailMultidrop(rc ini, kind iniValue, a *Account) {
	m := &Multidrop{Position: 1}
	a.Multidrop = m
	spec := rc["retriever"]["envelope_recipient"]
	name, position, _ := strings.Cut(spec.text, ":")
	if n, err := strconv.Atoi(strings.TrimSpace(position)); err == nil && n > 0 && n < 1000 {
		m.Position = n
	}
	if !m.setHeader(strings.TrimSpace(name)) {
		r.setup.remark(cmp.Or(spec.Place, a.Place), "envelope_recipient: not the name of a field that the last delivery writes; set multidrop.header (popferry help multidrop)")
	}
	to := rc["destination"]
	switch kind.text {
	case "MultiSorter":
		r.multiSorter(rc, to, kind, a)
	case "MultiGuesser":
		r.setup.remark(kind.Place, "type: MultiGuesser looks at To and Cc, popferry never does; who gets which mail is in multidrop.map (popferry help multidrop)")
		a.Delivery = r.multidropTarget(rc, to["default"], m)
	case "MDA_lmtp":
		if to["override"].text != "" { // all mail goes there
			a.Multidrop, a.Delivery = nil, r.getmailLMTP(to)
			return
		}
		if fallback := to["fallback"].text; fallback != "" {
			m.Otherwise = []string{fallback}
			delete(to, "fallback")
		}
		a.Delivery = r.getmailLMTP(to)
	default:
		a.Delivery = r.multidropTarget(rc, iniValue{kind.Place, "[destination]"}, m)
	}
	a.Delivery.To = ""
	r.setup.remark(a.Place, "type: popferry takes addresses only in the domains that multidrop.domains has, and only above the topmost Received line. What else is in the mailbox goes to multidrop.otherwise, where getmail fails")
}

// multidropTarget is the destination that gets all mail of a domain, whose recipient is
// who gets what names nobody.
func (r *reader) multidropTarget(rc ini, v iniValue, m *Multidrop) Delivery {
	d := r.multidropUser(rc, v)
	if d.To != "" {
		m.Otherwise = []string{d.To}
	}
	return d
}

// multidropUser is a target of MultiSorter. A Maildir is that of a local user, who gets
// the mail from the mail server of this machine: a multidrop mailbox has one server.
func (r *reader) multidropUser(rc ini, v iniValue) Delivery {
	d := r.getmailTarget(rc, v)
	if d.Maildir == "" {
		return d
	}
	section := rc[strings.ToLower(strings.Trim(strings.TrimSpace(v.text), "[]"))]
	user := cmp.Or(section["user"].text, ownerOf(cmp.Or(section["path"].text, v.text)), r.env.User)
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

// multiSorter carries over the patterns that are addresses.
func (r *reader) multiSorter(rc ini, to map[string]iniValue, kind iniValue, a *Account) {
	m := a.Multidrop
	a.Delivery = r.multidropTarget(rc, to["default"], m)
	pairs, ok := parsePairs(to["locals"].text)
	if !ok {
		r.setup.remark(to["locals"].Place, "locals: not pairs of strings; set multidrop.map (popferry help multidrop)")
	}
	for _, pair := range pairs {
		name, ok := addressPattern(pair[0])
		if !ok {
			r.setup.remark(to["locals"].Place, "locals: the pattern %q is neither an address, a local part nor a domain; set multidrop.map", pair[0])
			continue
		}
		d := r.multidropUser(rc, iniValue{to["locals"].Place, pair[1]})
		if d.Host != a.Delivery.Host || d.Port != a.Delivery.Port {
			r.setup.remark(to["locals"].Place, "locals: the pattern %q has another destination than default; a multidrop mailbox has one server in popferry, so its mail goes to multidrop.otherwise", pair[0])
			continue
		}
		if _, domain, found := strings.Cut(name, "@"); found {
			m.addDomain(domain)
		}
		switch {
		case d.To != "":
			m.add(name, d.To)
		case d.LMTP && strings.Contains(name, "@") && !strings.HasPrefix(name, "*"): // without override it goes to the address itself
			m.add(name, name)
		default:
			r.setup.remark(to["locals"].Place, "locals: the pattern %q has no recipient; set multidrop.map", pair[0])
		}
	}
	if len(m.Map) > 0 {
		m.add("*") // all others go to default
	}
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
