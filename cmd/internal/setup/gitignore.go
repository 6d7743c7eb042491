package setup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	ignoreName    = ".gitignore"
	ignorePattern = "*" + passwordEnding
)

// ignored returns the file that keeps git from taking the passwords among these files,
// where the configuration is written into a working tree of git; nil: none is needed.
// If there is such a file already, it is not changed, and the result is its path.
func ignored(folder string, files []File) (add *File, incomplete string) {
	secret := func(f File) bool { return strings.HasSuffix(f.Path, passwordEnding) }
	if !slices.ContainsFunc(files, secret) || !inWorkTree(folder) {
		return nil, ""
	}
	path := filepath.Join(folder, ignoreName)
	text, err := os.ReadFile(path)
	switch {
	case os.IsNotExist(err):
		return &File{Path: path, Text: []byte(ignorePattern + "\n")}, ""
	case err == nil && slices.Contains(strings.Fields(string(text)), ignorePattern):
		return nil, ""
	}
	return nil, path
}

// inWorkTree reports whether a folder is below one that git keeps.
func inWorkTree(folder string) bool {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return false
	}
	for {
		if _, err := os.Lstat(filepath.Join(folder, ".git")); err == nil {
			return true
		}
		above := filepath.Dir(folder)
		if above == folder {
			return false
		}
		folder = above
	}
}
