package ledger

import (
	"fmt"
	"time"
)

// CauseImported is the code of the cause of a message that another program
// fetched before popferry.
const CauseImported = "imported"

// Imported is the row of a message that another program fetched before popferry.
// It is Skipped, so neither forwarded nor deleted unless the user has it
// retried. Only its UID is known.
func Imported(uid, program string, now time.Time) *Record {
	return &Record{
		Known: Known{UID: uid, State: Skipped, Size: -1,
			Cause: Cause{Code: CauseImported, Text: fmt.Sprintf("fetched by %s before", program)}},
		FirstSeen: now,
	}
}

// OnlyUID reports whether a row was imported and no listing has had its message
// since, so that only the UID can identify it.
func (k *Known) OnlyUID() bool {
	return k.Cause.Code == CauseImported && k.Size < 0
}
