package dial

import "os"

// cache holds values that are built from settings and the files they name, until
// a file changes. Errors are not cached.
type cache[K comparable, V any] map[K]cached[V]

type cached[V any] struct {
	from  stamp
	value V
}

// get returns the cached value, or builds it.
func (c cache[K, V]) get(key K, from stamp, build func() (V, error)) (V, error) {
	if m, ok := c[key]; ok && m.from.same(from) {
		return m.value, nil
	}
	value, err := build()
	if err == nil {
		c[key] = cached[V]{from, value}
	}
	return value, err
}

// stamp is the state of files at one time; nil for one that is not named or that
// os.Stat fails for: reading it gives the better error.
type stamp []os.FileInfo

func stampOf(files ...string) stamp {
	s := make(stamp, len(files))
	for i, file := range files {
		if info, err := os.Stat(file); file != "" && err == nil {
			s[i] = info
		}
	}
	return s
}

// same reports whether the files were neither changed nor replaced.
func (s stamp) same(now stamp) bool {
	for i, then := range s {
		switch {
		case then == nil && now[i] == nil:
		case then == nil || now[i] == nil,
			!os.SameFile(then, now[i]), then.Size() != now[i].Size(), !then.ModTime().Equal(now[i].ModTime()):
			return false
		}
	}
	return true
}
