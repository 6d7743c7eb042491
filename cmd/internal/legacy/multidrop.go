package legacy

import (
	"cmp"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// Multidrop says who gets the mail of a mailbox that has a whole domain's, in the terms
// of package config. What the files do not say is left to the user.
type Multidrop struct {
	Header    string // "": to be filled in
	Position  int
	Prefix    string
	Domains   []string // none: to be filled in
	Map       []Entry
	Otherwise []string // none: to be filled in
}

// Entry is who gets the mail for a local part or address; none: nobody.
type Entry struct {
	Name string
	To   []string
}

// add notes who else gets mail under a name.
func (m *Multidrop) add(name string, to ...string) {
	name = strings.ToLower(name)
	i := slices.IndexFunc(m.Map, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		m.Map = append(m.Map, Entry{Name: name, To: []string{}})
		i = len(m.Map) - 1
	}
	for _, address := range to {
		if !slices.Contains(m.Map[i].To, address) {
			m.Map[i].To = append(m.Map[i].To, address)
		}
	}
}

// addDomain notes a domain of the mailbox, unless it cannot be one of mail addresses.
func (m *Multidrop) addDomain(name string) bool {
	name = strings.ToLower(strings.Trim(name, "."))
	if !strings.Contains(name, ".") || net.ParseIP(name) != nil {
		return false
	}
	if !slices.Contains(m.Domains, name) {
		m.Domains = append(m.Domains, name)
	}
	return true
}

// headerName matches the name of a header field, and what may follow it.
var headerName = regexp.MustCompile(`^([!-9;-~]+):?$`)

// setHeader sets the field, unless popferry does not sort by it: what the sender of a
// message writes, and Received.
func (m *Multidrop) setHeader(name string) bool {
	word := headerName.FindStringSubmatch(name)
	if word == nil || strings.EqualFold(word[1], "Received") || config.WrittenBySender(word[1]) {
		return false
	}
	m.Header = word[1]
	return true
}

// section has the keys of multidrop.
func (m *Multidrop) section() config.Section {
	missing := func(has bool, what string) string {
		if has {
			return ""
		}
		return "to be filled in: " + what
	}
	out := config.Section{{Key: "header", Value: m.Header, Comment: missing(m.Header != "", "the field that the last delivery writes, such as Delivered-To")}}
	if m.Position > 0 {
		out = append(out, config.Pair{Key: "position", Value: m.Position})
	}
	if m.Prefix != "" {
		out = append(out, config.Pair{Key: "prefix", Value: m.Prefix})
	}
	out = append(out, config.Pair{Key: "domains", Value: m.Domains, Comment: missing(len(m.Domains) > 0, "the domains whose mail is in this mailbox")})
	var entries config.Section
	for _, e := range m.Map {
		entries = append(entries, config.Pair{Key: e.Name, Value: e.To})
	}
	if len(entries) > 0 {
		out = append(out, config.Pair{Key: "map", Value: entries})
	}
	return append(out, config.Pair{Key: "otherwise", Value: m.Otherwise, Comment: missing(len(m.Otherwise) > 0, "who gets what names nobody")})
}

// fetchmailMultidrop says who gets the mail of an entry with several local names, or *;
// nil: it has one name, who gets all (fetchmail(1), "Singledrop versus Multidrop options").
// here is the domain of names without one.
func (r *reader) fetchmailMultidrop(p rcPoll, here string) *Multidrop {
	names := slices.Clone(p.user.names)
	all := slices.Contains(names, "*")
	names = slices.DeleteFunc(names, func(n string) bool { return n == "*" })
	if p.user.smtpName != "" || !all && len(names) <= 1 {
		return nil
	}
	at := func(name string) string {
		if strings.Contains(name, "@") {
			return name
		}
		return name + "@" + here
	}
	m := &Multidrop{Position: p.server.envelopeSkip + 1, Prefix: p.server.qvirtual, Otherwise: []string{at(r.postmaster(p))}}
	header := m.setHeader(p.server.envelope)
	for _, d := range p.server.localDomains {
		m.addDomain(d)
	}
	var mapped []string // domains whose names are looked up; the others' addresses stay
	for _, d := range append(slices.Clone(p.server.aka), cmp.Or(p.server.via, p.server.name)) {
		if !slices.Contains(m.Domains, strings.ToLower(d)) && m.addDomain(d) {
			mapped = append(mapped, "@"+strings.ToLower(d))
		}
	}
	if len(mapped) == len(m.Domains) {
		mapped = []string{""}
	}
	for _, n := range names {
		server, client, _ := strings.Cut(n, "=")
		client = at(cmp.Or(client, server))
		if strings.Contains(server, "@") {
			m.add(server, client)
			continue
		}
		for _, domain := range mapped {
			m.add(server+domain, client)
		}
	}
	for _, domain := range mapped {
		if all {
			m.add("*"+domain, "*@"+here)
		} else {
			m.add("*" + domain)
		}
	}
	r.remarkMultidrop(p, m, header)
	return m
}

// postmaster is who gets what names nobody (fetchmail(1), --postmaster).
func (r *reader) postmaster(p rcPoll) string {
	user := cmp.Or(p.server.postmaster, r.env.User)
	if user == "root" && p.server.postmaster == "" {
		return "postmaster"
	}
	return user
}

// remarkMultidrop says what popferry does otherwise.
func (r *reader) remarkMultidrop(p rcPoll, m *Multidrop, header bool) {
	if !header {
		r.setup.remarkAbout(ofSorting, p.Place, "envelope: fetchmail sorts this mailbox by Received, To and Cc, which do not say to whom a message was delivered; "+
			"popferry sorts by a field that the last delivery wrote: set multidrop.header (popferry help multidrop)")
	}
	text := "multidrop: popferry takes addresses in exactly the domains that are listed, not in those below them"
	if p.server.dns && len(p.server.localDomains) == 0 {
		text += "; fetchmail also asks DNS which domains are the server's, so add yours to multidrop.domains"
	}
	if header {
		text += ". A message without " + m.Header + " above its topmost Received line goes to multidrop.otherwise, where fetchmail looks at Received, To and Cc"
	}
	r.setup.remarkAbout(ofSorting, p.Place, "%s", text)
}
