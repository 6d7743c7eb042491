// Package docs holds popferry's reference: the pages beside this file, one for
// each subject. They are read on the web, printed by `popferry help PAGE` and
// turned into manual pages, so they are Markdown that also reads well as plain
// text: lines of up to 80 columns, and tables only where the cells are short.
package docs

import (
	"bufio"
	"embed"
	"strings"
)

//go:embed *.md
var files embed.FS

// Example is config.example.yaml, the example configuration with every key. It is a
// copy: a program can have no file from above its packages. The test of this package
// compares it, and writes it with POPFERRY_WRITE_GOLDEN=1.
//
//go:embed example.yaml
var Example string

// Page is one page of the reference.
type Page struct {
	Name  string // of its file, without .md
	Title string
}

// Pages returns all pages, ordered by name. It reads no more of them than their
// titles: each command of popferry asks for those.
func Pages() []Page {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // cannot be: the folder is part of the program
	}
	var pages []Page
	for _, e := range entries {
		pages = append(pages, Page{Name: strings.TrimSuffix(e.Name(), ".md"), Title: title(e.Name())})
	}
	return pages
}

// title is the first line of a file, without its mark.
func title(name string) string {
	f, err := files.Open(name)
	if err != nil {
		return "" // as above
	}
	defer func() { _ = f.Close() }()
	line, _ := bufio.NewReaderSize(f, 128).ReadString('\n')
	return strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "# ")
}

// Text is the Markdown below the title.
func (p Page) Text() string {
	text, _ := files.ReadFile(p.Name + ".md") // as above
	_, body, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(body)
}

// Plain returns the page for a terminal: its title, and its text without the
// marks for bold letters.
func (p Page) Plain() string {
	return strings.ToUpper(p.Title) + "\n\n" + strings.ReplaceAll(p.Text(), "**", "")
}
