package filter

import (
	"errors"
	"slices"
	"strings"

	"github.com/popferry/popferry/fetcher"
)

// What a filter may print, without regard to case.
const (
	folderLine = "x-popferry-folder"
	toLine     = "x-popferry-to"
)

var (
	errOther   = errors.New("it printed something other than X-Popferry-Folder or X-Popferry-To lines")
	errFolders = errors.New("it named more than one folder")
	errNoPlace = errors.New("it named a folder, and the destination has none; it wants X-Popferry-To")
	errNoTo    = errors.New("it named an address, and the destination has folders; it wants X-Popferry-Folder")
)

// read reads what a filter printed. Nothing else may stand there: a filter that
// prints the message, as many do, would else let its sender choose who gets it.
func (f *Filter) read(text []byte) (v fetcher.Verdict, err error) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		var check func(string) error
		switch strings.ToLower(name) {
		case folderLine:
			if check, err = f.Folder, errNoPlace; len(v.To) > 0 {
				return v, errFolders
			}
		case toLine:
			check, err = f.Address, errNoTo
		default:
			return v, errOther
		}
		if check != nil {
			err = check(value)
		}
		if err != nil {
			return v, err
		}
		if !slices.Contains(v.To, value) {
			v.To = append(v.To, value)
		}
	}
	return v, nil
}
