package ledger

import (
	"fmt"
	"regexp"
)

// copyName is the form of the names of retained copies: the account's number, a
// hyphen, what tells them apart, and the ending. No path has it.
var copyName = regexp.MustCompile(`^[0-9]+-[0-9A-Za-z-]+\.eml$`)

// CopyNameError: a row names a file as the retained copy of its message that
// popferry cannot have written.
type CopyNameError struct{ Name string }

func (e *CopyNameError) Error() string {
	return fmt.Sprintf("%q is no name that popferry gives to a copy", e.Name)
}

// CheckCopyName returns a *CopyNameError unless a name (Known.CopyFile) is of the form
// that popferry gives to copies. A ledger can be damaged or somebody else's work, so
// no name out of it is used as a path unseen.
func CheckCopyName(name string) error {
	if !copyName.MatchString(name) {
		return &CopyNameError{name}
	}
	return nil
}
