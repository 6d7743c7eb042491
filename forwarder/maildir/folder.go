package maildir

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// inbox is the folder that is the Maildir itself, in letters of any case (RFC 9051
// 5.1).
const inbox = "INBOX"

// junk is the folder that mail programs take for junk, for forwarder.JunkFolder.
const junk = "Junk"

// longestFolder is how long the name of a file may be, in octets.
const longestFolder = 255

// CheckFolder says what is wrong with the name of a folder: INBOX for the Maildir
// itself, else names with "/" between a folder and one below it. nil: it can be
// used. The name may not lead anywhere else on the disk.
func CheckFolder(name string) error {
	if !utf8.ValidString(name) {
		return errors.New("is not valid UTF-8")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return errors.New(`has an empty part; write names with one "/" between them, such as Work/ISP`)
		case strings.Contains(part, "."):
			return errors.New(`has a dot, which separates folders on the disk; write "/" between a folder and one below it, and leave other dots out`)
		case strings.ContainsRune(part, 0):
			return errors.New("has a NUL octet")
		}
	}
	if n := len(folderName(name)); n > longestFolder {
		return fmt.Errorf("is too long: it takes %d octets on the disk, and %d are possible", n, longestFolder)
	}
	return nil
}

// isInbox reports whether a folder is the Maildir itself.
func isInbox(name string) bool { return name == "" || strings.EqualFold(name, inbox) }

// folderPath is where a folder lies in a Maildir.
func folderPath(dir, name string) string {
	if isInbox(name) {
		return dir
	}
	return filepath.Join(dir, folderName(name))
}

// folderName is the name of a subfolder's directory (Maildir++,
// https://www.courier-mta.org/imap/README.maildirquota.html): "Work/ISP" is
// ".Work.ISP", beside the folder that it is below.
func folderName(name string) string {
	return "." + strings.ReplaceAll(modifiedUTF7(name), "/", ".")
}
