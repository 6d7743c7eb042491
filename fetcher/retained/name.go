package retained

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Name is the name of the copy of a message with this digest, without the folder, which
// may be moved. It follows from the message's row and digest: a message whose row could
// not be written, and that is fetched once more, gets the same, and no copy stays behind.
func Name(prefix, digest string) string {
	const part = 16 // of the digest: names are to be short
	return prefix + digest[:part] + ".eml"
}

// Prefix is how the names of all copies begin that belong to a row.
func Prefix(account int64, uid string, generation int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d", uid, generation))
	return fmt.Sprintf("%d-%x-", account, sum[:8])
}

// PrefixOf is how the name of a copy begins.
func PrefixOf(name string) string { return name[:strings.LastIndexByte(name, '-')+1] }
