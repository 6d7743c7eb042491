// Package watch tells when files have changed.
//
// It looks at them every few seconds. The kernel's notices would come sooner,
// but they do not come for every file system (network shares, bind mounts of
// containers), are about folders and links that a ConfigMap's swap replaces
// under the watch, and are limited in number; a look is right for all of them,
// and costs a stat for each file.
package watch

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Set is what to look at.
type Set struct {
	Files    []string // they need not be there
	Patterns []string // of more files, as filepath.Glob takes them
}

// Watcher looks at one Set after the other. Its methods may be called from
// several goroutines.
type Watcher struct {
	mu      sync.Mutex
	set     Set
	known   prints
	pending prints // what has changed, and may still be changing; nil: nothing
}

// New returns a Watcher that takes the files as they are now for known.
func New(s Set) *Watcher {
	w := &Watcher{}
	w.Use(s)
	return w
}

// Mark takes the files as they are now for known: it comes before they are read.
func (w *Watcher) Mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known, w.pending = w.set.look(), nil
}

// Use goes over to another set. What was known before stays as it was known, so
// that a change since Mark is told.
func (w *Watcher) Use(s Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := s.look()
	for f := range now {
		if p, ok := w.known[f]; ok {
			now[f] = p
		}
	}
	w.set, w.known, w.pending = s, now, nil
}

// Changed tells whether something has changed and then been the same for two
// looks, so that no half of a file is read. It tells so once for each change.
func (w *Watcher) Changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.set.look()
	switch {
	case now.equal(w.known):
		w.pending = nil
	case w.pending == nil || !now.equal(w.pending):
		w.pending = now
	default:
		w.known, w.pending = now, nil
		return true
	}
	return false
}

// Run looks that often, until ctx ends, and puts something into a channel
// after each change, unless it is full.
func (w *Watcher) Run(ctx context.Context, gap time.Duration, changed chan<- struct{}) {
	tick := time.NewTicker(gap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !w.Changed() {
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// prints are what files look like from outside, by path.
type prints map[string]print

// print is that of one file: zero if it is not there.
type print struct {
	target  string // where its links lead
	size    int64
	changed time.Time
	info    os.FileInfo
}

func (s Set) look() prints {
	files := slices.Clone(s.Files)
	for _, p := range s.Patterns {
		more, _ := filepath.Glob(p) // only a wrong pattern is an error
		files = append(files, more...)
	}
	out := make(prints, len(files))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			out[f] = print{}
			continue
		}
		// A swap of links can lead to a file of the same size and time.
		target, _ := filepath.EvalSymlinks(f)
		out[f] = print{target, info.Size(), info.ModTime(), info}
	}
	return out
}

func (p prints) equal(o prints) bool {
	return maps.EqualFunc(p, o, func(a, b print) bool {
		if a.info == nil || b.info == nil {
			return a.info == nil && b.info == nil
		}
		return a.target == b.target && a.size == b.size && a.changed.Equal(b.changed) && os.SameFile(a.info, b.info)
	})
}
