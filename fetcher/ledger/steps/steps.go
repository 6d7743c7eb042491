// Package steps reads the steps of a store's schema.
package steps

import "io/fs"

// Read returns the steps in the files schema/*.sql, in the order of their names; the
// n-th, counted from 0, leads from version n to n+1.
func Read(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "schema/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	list := make([]string, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		list[i] = string(text)
	}
	return list, nil
}
