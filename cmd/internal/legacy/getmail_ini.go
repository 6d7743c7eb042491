package legacy

import "strings"

// ini is a getmailrc: section and key in lower case to value.
type ini map[string]map[string]iniValue

type iniValue struct {
	Place
	text string
}

// parseINI reads what Python's RawConfigParser does: keys with = or :, values that
// continue on lines with more indentation, comments on their own lines. Any other
// line gets a remark.
func parseINI(file, text string, setup *Setup) ini {
	out := ini{}
	section, key, indent := "", "", 0
	n := 0
	for line := range strings.Lines(text) {
		n++
		trimmed := strings.TrimSpace(line)
		depth := len(line) - len(strings.TrimLeft(line, " \t"))
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case key != "" && depth > indent:
			v := out[section][key]
			v.text += "\n" + trimmed
			out[section][key] = v
		case trimmed[0] == '[' && strings.Contains(trimmed, "]"):
			section, key = strings.ToLower(trimmed[1:strings.IndexByte(trimmed, ']')]), ""
		default:
			at := strings.IndexAny(trimmed, "=:")
			if at < 1 {
				setup.remark(Place{file, n}, "this line is neither a section nor a key with a value; it is ignored")
				continue
			}
			key, indent = strings.ToLower(strings.TrimSpace(trimmed[:at])), depth
			if out[section] == nil {
				out[section] = map[string]iniValue{}
			}
			out[section][key] = iniValue{Place{file, n}, strings.TrimSpace(trimmed[at+1:])}
		}
	}
	return out
}

// parseTuple reads the strings of a Python tuple such as ('a', "b"). It is not ok
// for anything else.
func parseTuple(s string) (items []string, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '(' || s[len(s)-1] != ')' {
		return nil, false
	}
	for rest := strings.TrimSpace(s[1 : len(s)-1]); rest != ""; {
		raw := rest[0] == 'r' && len(rest) > 1
		if raw {
			rest = rest[1:]
		}
		end := -1
		if rest[0] == '\'' || rest[0] == '"' {
			end = closing(rest, rest[0])
		}
		if end < 0 {
			return nil, false
		}
		item := rest[1:end]
		if !raw {
			item = pythonString(item)
		}
		items = append(items, item)
		rest = strings.TrimSpace(rest[end+1:])
		next, comma := strings.CutPrefix(rest, ",")
		if !comma && rest != "" {
			return nil, false
		}
		rest = strings.TrimSpace(next)
	}
	return items, true
}

// parsePairs reads the pairs of strings of a Python tuple such as (('a', 'b'), ('c',
// 'd')), or of the one pair ('a', 'b'). It is not ok for anything else.
func parsePairs(s string) (pairs [][2]string, ok bool) {
	s = strings.TrimSpace(s)
	if one, ok := parseTuple(s); ok {
		switch len(one) {
		case 0:
			return nil, true
		case 2:
			return [][2]string{{one[0], one[1]}}, true
		}
		return nil, false
	}
	if len(s) < 2 || s[0] != '(' || s[len(s)-1] != ')' {
		return nil, false
	}
	for rest := strings.TrimSpace(s[1 : len(s)-1]); rest != ""; {
		end := closingParenthesis(rest)
		if end < 0 {
			return nil, false
		}
		pair, ok := parseTuple(rest[:end+1])
		if !ok || len(pair) != 2 {
			return nil, false
		}
		pairs = append(pairs, [2]string{pair[0], pair[1]})
		rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest[end+1:]), ","))
	}
	return pairs, true
}

// closingParenthesis returns the index of the parenthesis that ends a tuple of strings,
// or -1.
func closingParenthesis(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"':
			end := closing(s[i:], s[i])
			if end < 0 {
				return -1
			}
			i += end
		case ')':
			return i
		}
	}
	return -1
}

// closing returns the index of the closing quote of s, or -1.
func closing(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i
		}
	}
	return -1
}

// pythonString resolves the simple escapes in a Python string.
func pythonString(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\"`, `"`, `\n`, "\n", `\t`, "\t").Replace(s)
}

// shellQuoted returns a shell command that runs a program with exactly these
// arguments.
func shellQuoted(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.Trim(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-") != "" {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
