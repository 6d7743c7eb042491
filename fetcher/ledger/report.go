package ledger

// Filter says which messages are wanted. A zero field means any.
type Filter struct {
	Account string // the account's name
	State   State
	UID     string // raw octets
}

// Day counts the messages of one account that came to one outcome on one day.
type Day struct {
	Account int64
	Date    string // 2006-01-02, in UTC
	Outcome State
	Count   int
}
