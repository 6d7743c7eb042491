package ledger

import "time"

// Notice is what the user was notified of by mail about one account, so that a
// restart repeats no notice. A zero time stands for never.
type Notice struct {
	Account int64
	Since   time.Time // since when the account has been failing; zero: it is not
	Told    time.Time // when the user was notified of that; zero: not yet, or it is over
	Held    []int64   // ids of the held messages that the user was notified of, ascending
	HeldAt  time.Time // when the user was last notified of held messages
}
