package maildir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// shelf finds the messages of one Maildir by their keys. It remembers what it
// read, so that a message costs the same in a small and in a large Maildir: a
// folder is read again only when its time has changed.
type shelf struct {
	// keyOf is the key in a file's name; "": the file is somebody else's.
	keyOf func(file string) string
	// folders are new/ and cur/, in this order: readers move messages from the one to
	// the other.
	folders [2]listing
}

// listing is what lies in a folder.
type listing struct {
	dir   string
	stamp time.Time         // the folder's time when it was read
	files map[string]string // by key; nil: it was not read
}

func newShelf(dir string, keyOf func(file string) string) shelf {
	return shelf{keyOf, [2]listing{{dir: filepath.Join(dir, "new")}, {dir: filepath.Join(dir, "cur")}}}
}

// find returns where a message was when its folder was read, "" if there is none
// with this key.
func (s *shelf) find(key string) (path string, err error) {
	for i := range s.folders {
		l := &s.folders[i]
		if err := l.refresh(s.keyOf); err != nil {
			return "", &Error{Doing: "looking into", Path: l.dir, Err: err}
		}
		if name, ok := l.files[key]; ok {
			return filepath.Join(l.dir, name), nil
		}
	}
	return "", nil
}

// added notes a file that was put into new/.
func (s *shelf) added(key, name string) {
	l := &s.folders[0]
	l.files[key] = name
	if info, err := os.Stat(l.dir); err == nil { // else it is read again
		l.stamp = info.ModTime()
	}
}

// forget has the folders read again.
func (s *shelf) forget() {
	for i := range s.folders {
		s.folders[i].files = nil
	}
}

// refresh reads a folder that has changed.
func (l *listing) refresh(keyOf func(string) string) error {
	f, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat() // before it is read: what comes meanwhile is seen the next time
	if err != nil {
		return err
	}
	if l.files != nil && info.ModTime().Equal(l.stamp) {
		return nil
	}
	files := make(map[string]string)
	for {
		const some = 1000 // there may be very many
		names, err := f.Readdirnames(some)
		for _, name := range names {
			if key := keyOf(name); key != "" {
				files[key] = name
			}
		}
		if errors.Is(err, io.EOF) {
			l.files, l.stamp = files, info.ModTime()
			return nil
		}
		if err != nil {
			return err
		}
	}
}
