package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/popferry/popferry/cmd/internal/child"
)

// Filter is a command that looks at each message. The zero value is none.
type Filter struct {
	Command []string // a program and its arguments; there is no shell
	Dir     string   // the working directory

	hidden func() []string // variables that it must not see; nil: none
}

// IsZero reports whether there is no filter.
func (f Filter) IsZero() bool { return len(f.Command) == 0 }

// Environ is the environment of the command: without passwords.
func (f Filter) Environ() []string {
	var hidden []string
	if f.hidden != nil {
		hidden = f.hidden()
	}
	return child.Environment(os.Environ(), hidden)
}

// filter sets a command, as a list.
func (l *loader) filter(p *Filter) setter {
	return func(v yamlValue) {
		*p = Filter{}
		if v.empty() {
			return
		}
		if !v.isList() {
			v.fail("must be a list: the program, then its arguments, as in [spamc, -c]; there is no shell")
			return
		}
		for _, item := range v.items() {
			word, ok := item.scalar()
			if !ok {
				return
			}
			if strings.ContainsRune(word, 0) {
				item.fail("must not have NUL characters")
				return
			}
			p.Command = append(p.Command, word)
		}
		if p.Command[0] == "" {
			v.fail("names no program")
			return
		}
		if rest, ok := strings.CutPrefix(p.Command[0], "~/"); ok {
			p.Command[0] = filepath.Join(l.env.Getenv("HOME"), rest)
		}
		p.Dir, p.hidden = filepath.Dir(v.file), l.secretVariables
	}
}
