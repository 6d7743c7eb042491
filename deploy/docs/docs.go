// Package docs holds popferry's reference: the pages beside this file, one for
// each subject. They are read on the web, printed by `popferry help PAGE` and
// turned into manual pages, so they are Markdown that also reads well as plain
// text: lines of up to 80 columns, and tables only where the cells are short.
package docs

import (
	"embed"
	"strings"
)

//go:embed *.md
var files embed.FS

// Page is one page of the reference.
type Page struct {
	Name  string // of its file, without .md
	Title string
	Text  string // the Markdown below the title
}

// Pages returns all pages, ordered by name.
func Pages() []Page {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // cannot be: the folder is part of the program
	}
	var pages []Page
	for _, e := range entries {
		text, _ := files.ReadFile(e.Name()) // see above
		title, body, _ := strings.Cut(string(text), "\n")
		pages = append(pages, Page{
			Name:  strings.TrimSuffix(e.Name(), ".md"),
			Title: strings.TrimPrefix(title, "# "),
			Text:  strings.TrimSpace(body),
		})
	}
	return pages
}

// Plain returns the page for a terminal: its title, and its text without the
// marks for bold letters.
func (p Page) Plain() string {
	return strings.ToUpper(p.Title) + "\n\n" + strings.ReplaceAll(p.Text, "**", "")
}
