package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mostLinks is how many symbolic links a path may have, as on Linux
// (path_resolution(7)).
const mostLinks = 40

// way is how a path leads to a file.
type way struct {
	steps []step // the folders, and the links that led to them, from the top
	end   string // the path of the file without links; it need not exist
}

type step struct {
	path string
	info fs.FileInfo
}

// follow goes the way of a path as the kernel does: "..", after a link, is not what
// filepath.Clean makes of it. It ends where something does not exist or cannot be
// looked at, for then nothing behind it can be opened either.
func follow(path string) (w way, err error) {
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return w, err
		}
		path = here + string(filepath.Separator) + path
	}
	at := string(filepath.Separator)
	if top, err := os.Lstat(at); err == nil {
		w.steps = append(w.steps, step{at, top})
	}
	names, links := elements(path), 0
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		w.end = filepath.Join(at, name)
		info, err := os.Lstat(w.end)
		if err != nil {
			w.end = filepath.Join(append([]string{w.end}, names...)...)
			return w, nil //nolint:nilerr // see above
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if !info.IsDir() || len(names) == 0 {
				return w, nil
			}
			w.steps = append(w.steps, step{w.end, info})
			at = w.end
			continue
		}
		w.steps = append(w.steps, step{w.end, info})
		if links++; links > mostLinks {
			return w, fmt.Errorf("%s: more than %d symbolic links", path, mostLinks)
		}
		target, err := os.Readlink(w.end)
		if err != nil {
			return w, err
		}
		if filepath.IsAbs(target) {
			at = string(filepath.Separator)
		}
		names = append(elements(target), names...)
	}
	return w, nil
}

// elements are the names in a path.
func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }) //nolint:gosec // ASCII
}
