// Package invocation knows how the user started popferry, so that the commands
// that popferry suggests can be copied as they are.
package invocation

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Invocation is how popferry was started. The zero value is by its plain name.
type Invocation struct {
	Program string // as typed: "./popferry"
	Config  string // value of --config; "": it was not given
}

// name is what the program is called where it is installed.
const name = "popferry"

// Typed is what the user has to type for a program with this first argument: its plain
// name, if that leads to it.
func Typed(arg0 string) string {
	if found, err := exec.LookPath(name); filepath.IsAbs(arg0) && err == nil && found == arg0 {
		return name
	}
	return arg0
}

// New returns the invocation of a program with this first argument. That of go
// run is a temporary file, which is no use later.
func New(arg0, config string) Invocation {
	if arg0 == "" || strings.Contains(filepath.ToSlash(arg0), "/go-build") {
		arg0 = name
	}
	return Invocation{Program: arg0, Config: config}
}

// Command returns the words of a command, such as "run --once", as the user has to
// type it.
func (v Invocation) Command(words string) string {
	program := v.Program
	if program == "" {
		program = name
	}
	command, rest, _ := strings.Cut(words, " ")
	if v.Config != "" && takesConfig(command) {
		command += " --config " + Quote(v.Config)
	}
	return strings.TrimSpace(Quote(program) + " " + command + " " + rest)
}

// takesConfig reports whether a command has the flag --config.
func takesConfig(command string) bool {
	switch command {
	case "help", "version", "providers", "demo", "completion", "import", "man":
		return false
	}
	return true
}

// suggested is a command in a text: "popferry run --once", and not
// "popferry runs" or "/usr/bin/popferry run".
var suggested = regexp.MustCompile(`(^|[\s("'` + "`" + `])popferry (init|run|check|login|logout|poll|status|messages|retry|skip|show|adopt|resend|rename|forget|healthy|help|providers)\b`)

// Text replaces the commands in a text by what the user has to type.
func (v Invocation) Text(text string) string {
	if v.Config == "" && (v.Program == "" || v.Program == name) {
		return text
	}
	return suggested.ReplaceAllStringFunc(text, func(found string) string {
		before, command, _ := strings.Cut(found, name+" ")
		return before + v.Command(command)
	})
}

// plain are words that no shell changes.
var plain = regexp.MustCompile(`^[\w@%+=:,./\\-]+$`)

// Quote returns a word as a POSIX shell takes it.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
