package ledger

import (
	"fmt"
	"time"
)

// CauseImported is the code of the cause of a message that another program had
// fetched before.
const CauseImported = "imported"

// Imported is the row of a message that another program had fetched before:
// Skipped, so that it is neither forwarded nor deleted, until a person has it
// retried. Nothing but its UID is known of it.
func Imported(uid, program string, now time.Time) *Record {
	return &Record{
		Known: Known{UID: uid, State: Skipped, Size: -1,
			Cause: Cause{Code: CauseImported, Text: fmt.Sprintf("fetched by %s before", program)}},
		FirstSeen: now,
	}
}

// OnlyUID tells whether a row was imported, and no listing has told more of
// its message since. Its UID is all that it can be known by.
func (k *Known) OnlyUID() bool {
	return k.Cause.Code == CauseImported && k.Size < 0
}
