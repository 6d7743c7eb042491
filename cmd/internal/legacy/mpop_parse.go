package legacy

import (
	"maps"
	"slices"
	"strings"
)

// mpopCommand is a line of an mpoprc: a command and its argument.
type mpopCommand struct {
	Place
	text string
}

// mpopAccount is an account in an mpoprc with its own commands, inherited ones and
// the defaults.
type mpopAccount struct {
	Place
	name     string
	commands map[string]mpopCommand
}

// parseMpoprc reads an mpoprc (mpop(1), "Usage").
func parseMpoprc(file, text string, setup *Setup) []mpopAccount {
	var accounts []mpopAccount
	defaults := make(map[string]mpopCommand)
	current := defaults
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest := line, ""
		if i := strings.IndexAny(line, " \t"); i > 0 {
			word, rest = line[:i], strings.TrimSpace(line[i:])
		}
		at := Place{file, n}
		switch word {
		case "defaults":
			current = defaults
		case "account":
			a := beginMpopAccount(at, rest, defaults, accounts)
			accounts, current = append(accounts, a), a.commands
		case "eval":
			setup.remark(at, "eval: popferry does not run commands to configure itself; write out the result, or use password_command")
		default:
			current[word] = mpopCommand{at, unquoted(rest)}
		}
	}
	return accounts
}

// beginMpopAccount begins an account: NAME [: ACCOUNT[,...]].
func beginMpopAccount(at Place, rest string, defaults map[string]mpopCommand, before []mpopAccount) mpopAccount {
	name, parents, _ := strings.Cut(unquoted(rest), ":")
	a := mpopAccount{Place: at, name: strings.TrimSpace(name), commands: maps.Clone(defaults)}
	for parent := range strings.SplitSeq(parents, ",") {
		for _, b := range before {
			if b.name == strings.TrimSpace(parent) {
				maps.Copy(a.commands, b.commands)
			}
		}
	}
	return a
}

// alias reports whether an account only inherits from an earlier one: "account
// default : isp" selects an account and is not a second mailbox.
func (m mpopAccount) alias(before []mpopAccount) bool {
	return slices.ContainsFunc(before, func(b mpopAccount) bool { return maps.Equal(b.commands, m.commands) })
}

// unquoted returns an argument without its quotes.
func unquoted(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
