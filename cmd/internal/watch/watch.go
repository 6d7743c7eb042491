// Package watch notices when files change.
//
// It polls them every few seconds. The kernel's notifications would be faster,
// but they do not work on every file system (network shares, bind mounts of
// containers), do not follow the links that an update of a ConfigMap replaces,
// and are limited in number. Polling always works, and costs one stat a file.
package watch

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/trust"
)

// Set is the files to watch.
type Set struct {
	Files    []string // they need not exist
	Patterns []string // of more files, as for filepath.Glob
}

// Watcher watches a Set. Its methods may be called from several goroutines.
type Watcher struct {
	mu      sync.Mutex
	set     Set
	known   snapshot
	pending snapshot // differs from known, and may still be changing; nil: no change
}

// New returns a Watcher that knows the files as they are now.
func New(s Set) *Watcher {
	w := &Watcher{}
	w.Use(s)
	return w
}

// Mark makes the current files the known ones. Call it before reading them.
func (w *Watcher) Mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known, w.pending = w.set.snapshot(), nil
}

// Use switches to another set. Files that were in the old set stay known as they
// were, so that a change since Mark is noticed.
func (w *Watcher) Use(s Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := s.snapshot()
	for f := range now {
		if p, ok := w.known[f]; ok {
			now[f] = p
		}
	}
	w.set, w.known, w.pending = s, now, nil
}

// Changed reports whether the files differ from the known ones and have been the
// same for two calls, so that no half-written file is read. It reports each
// change once.
func (w *Watcher) Changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.set.snapshot()
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

// Run calls Changed at this interval until ctx ends, and sends to changed after
// each change, unless the channel is full.
func (w *Watcher) Run(ctx context.Context, interval time.Duration, changed chan<- struct{}) {
	tick := time.NewTicker(interval)
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

// snapshot has the state of files by path.
type snapshot map[string]state

// state is the state of a file, zero if it does not exist.
type state struct {
	target  string // where its links lead
	size    int64
	changed time.Time
	info    os.FileInfo
}

func (s Set) snapshot() snapshot {
	files := slices.Clone(s.Files)
	for _, p := range s.Patterns {
		more, _ := filepath.Glob(p) // the only error is a bad pattern
		files = append(files, more...)
	}
	out := make(snapshot, len(files))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			out[f] = state{}
			continue
		}
		// A changed link can lead to a file of the same size and time.
		target, _ := filepath.EvalSymlinks(f)
		out[f] = state{target, info.Size(), info.ModTime(), info}
	}
	return out
}

func (p snapshot) equal(o snapshot) bool {
	return maps.EqualFunc(p, o, func(a, b state) bool {
		if a.info == nil || b.info == nil {
			return a.info == nil && b.info == nil
		}
		return a.target == b.target && a.size == b.size && a.changed.Equal(b.changed) && os.SameFile(a.info, b.info) && sameRights(a.info, b.info)
	})
}

// sameRights reports whether a file belongs to whom it did and lets the same users
// read and write it: whether it is trusted depends on that.
func sameRights(a, b os.FileInfo) bool {
	uidA, gidA, _ := trust.Owner(a)
	uidB, gidB, _ := trust.Owner(b)
	return a.Mode() == b.Mode() && uidA == uidB && gidA == gidB
}
