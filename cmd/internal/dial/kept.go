package dial

import "os"

// kept holds what was made of settings and of the files that they name, for as
// long as the files stay as they were. Errors are not held.
type kept[K comparable, V any] map[K]made[V]

type made[V any] struct {
	from  stamp
	value V
}

// get returns what is held, or else makes it.
func (k kept[K, V]) get(key K, from stamp, build func() (V, error)) (V, error) {
	if m, ok := k[key]; ok && m.from.same(from) {
		return m.value, nil
	}
	value, err := build()
	if err == nil {
		k[key] = made[V]{from, value}
	}
	return value, err
}

// stamp is how files were when they were looked at; nil for one that is not
// named or cannot be looked at, which reading it will tell better.
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

// same tells whether the files were neither changed nor replaced.
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
