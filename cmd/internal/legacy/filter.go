package legacy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// look is a program that the other program asked about each message: which of its exit
// codes let a message through, and which drop it. Any other is a fault.
type look struct {
	shell      string // the command
	keep, drop []int
	quiet      bool // what it writes to stderr is no fault
	header     bool // it gets only the header
}

// shellFilter returns the filter that asks these programs one after the other; nil for
// none. popferry's exit codes are 0, 99, and 75 for a fault (popferry help filters).
func shellFilter(looks []look) []string {
	if len(looks) == 0 {
		return nil
	}
	var b strings.Builder
	from := ""
	if len(looks) > 1 { // each gets the message
		b.WriteString("message=$(mktemp) || exit 75\ntrap 'rm -f \"$message\"' EXIT\ncat >\"$message\" || exit 75\n")
		from = ` <"$message"`
	}
	for _, l := range looks {
		l.write(&b, from)
	}
	return []string{"sh", "-c", b.String()}
}

// write writes the lines for one program, which reads the message from there.
func (l look) write(b *strings.Builder, from string) {
	command := l.shell
	if l.header {
		command, from = "sed '/^$/q'"+from+" | { "+command+"\n}", "" // with several commands, or a comment
	}
	said, fine := "", ""
	if l.quiet {
		fmt.Fprintf(b, "%s%s >/dev/null\n", command, from)
	} else {
		fmt.Fprintf(b, "said=$(%s%s 2>&1 >/dev/null)\n", command, from)
		said, fine = `echo "$said" >&2; `, ` test -z "$said" || { echo "$said" >&2; exit 75; }`
	}
	b.WriteString("case $? in\n")
	fmt.Fprintf(b, "%s)%s ;;\n", alternatives(l.keep), fine)
	if len(l.drop) > 0 {
		fmt.Fprintf(b, "%s) %sexit 99 ;;\n", alternatives(l.drop), said)
	}
	fmt.Fprintf(b, "*) %sexit 75 ;;\nesac\n", said)
}

// alternatives are exit codes as a pattern of the shell.
func alternatives(codes []int) string {
	words := make([]string, len(codes))
	for i, c := range codes {
		words[i] = strconv.Itoa(c)
	}
	return strings.Join(words, "|")
}

// mpopFilter carries over a filter (mpop(1), "filter"): a command of the shell that gets
// the header. 1 and 2 mean that the message is not fetched.
func (r *reader) mpopFilter(c mpopCommand) []string {
	switch {
	case c.text == "" || c.text == "off":
		return nil
	case strings.Contains(c.text, "%F") || strings.Contains(c.text, "%S"):
		r.setup.remarkShared(c.Place, "filter: popferry has no %F and no %S; set filter for the account with a command that takes them from the message (popferry help filters)")
		return nil
	}
	r.setup.remarkShared(c.Place, "filter: carried over. A message that it does not want is skipped, and stays on its server where mpop deleted it (exit code 1)")
	return shellFilter([]look{{shell: c.text, keep: []int{0}, drop: []int{1, 2}, quiet: true, header: true}})
}

// getmailFilters carries over the filters of a getmailrc, in the order of their names
// (configuration.txt, "Creating the [filter-something] sections").
func (r *reader) getmailFilters(rc ini) []string {
	var looks []look
	var sections []string
	for section := range rc {
		if strings.HasPrefix(section, "filter") {
			sections = append(sections, section)
		}
	}
	slices.Sort(sections)
	for _, section := range sections {
		if l, ok := r.getmailFilter(section, rc[section]); ok {
			looks = append(looks, l)
		}
	}
	return shellFilter(looks)
}

// getmailFilter is one of them; not ok if popferry cannot do the same.
func (r *reader) getmailFilter(name string, of map[string]iniValue) (l look, ok bool) {
	kind := of["type"]
	at := kind.Place
	var lost string
	switch kind.text {
	case "Filter_external":
		lost = "what it changes in the message is lost"
	case "Filter_classifier":
		lost = "no X-getmail-filter-classifier line is added"
	case "Filter_TMDA":
		r.setup.remark(at, "[%s]: a filter of popferry does not get the envelope that tmda-filter needs; let the server of the inbox run it", name)
		return l, false
	default:
		r.setup.remark(at, "[%s]: not one of getmail's filters; set filter for the account (popferry help filters)", name)
		return l, false
	}
	args, fine := parseTuple(of["arguments"].text)
	switch {
	case of["arguments"].text != "" && !fine:
		r.setup.remark(of["arguments"].Place, "[%s] arguments: not a list of strings; set filter for the account (popferry help filters)", name)
		return l, false
	case slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "%(") }):
		r.setup.remark(of["arguments"].Place, "[%s] arguments: popferry does not put the sender or recipient into arguments; set filter for the account with a command that takes them from the message (popferry help filters)", name)
		return l, false
	case yes(of["unixfrom"].text):
		r.setup.remark(of["unixfrom"].Place, "[%s] unixfrom: popferry puts no From_ line on top; set filter for the account with a command that does (popferry help filters)", name)
		return l, false
	}
	for _, key := range []string{"user", "group"} {
		if v := of[key]; v.text != "" {
			r.setup.remark(v.Place, "[%s] %s: popferry runs a filter as the user that it runs as", name, key)
		}
	}
	r.setup.remark(at, "[%s]: carried over as filter. It decides whether a message is sent; the message is sent as it came, so %s", name, lost)
	return look{
		shell: shellQuoted(append([]string{r.expand("", of["path"].text)}, args...)),
		keep:  exitCodes(of["exitcodes_keep"].text, 0), drop: exitCodes(of["exitcodes_drop"].text, 99, 100),
		quiet: yes(of["ignore_stderr"].text),
	}, true
}

// exitCodes reads a tuple of numbers such as (0, 1), or ('0', '1').
func exitCodes(s string, defaults ...int) (codes []int) {
	if s == "" {
		return defaults
	}
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return strings.ContainsRune("(), '\"\n\t", c) }) {
		if n, err := strconv.Atoi(word); err == nil && n >= 0 && n < 256 {
			codes = append(codes, n)
		}
	}
	if len(codes) == 0 {
		return defaults
	}
	return codes
}
