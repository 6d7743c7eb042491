package ledger

import "time"

// Notice is what a person was told by mail about one account, so that nothing
// is told twice, whatever is restarted. Times are zero where nothing was.
type Notice struct {
	Account int64
	Since   time.Time // from when the account is seen to fail; zero: it does not
	Told    time.Time // when it was told that it fails; zero: it was not, or is over
	Held    []int64   // ids of the held messages that the person knows of, ascending; nil: none
	HeldAt  time.Time // when it was told of held ones last
}
