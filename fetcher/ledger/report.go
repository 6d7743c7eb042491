package ledger

// Filter selects messages. A zero field matches all.
type Filter struct {
	Account string // the account's name
	State   State
	UID     string // raw octets
}

// Copy is a message of which popferry has a retained copy (Known.CopyFile).
type Copy struct {
	Account int64
	UID     string // raw octets
	State   State
	File    string // without the folder
}

// Day is the number of messages of one account with one outcome on one day.
type Day struct {
	Account int64
	Date    string // 2006-01-02, in UTC
	Outcome State
	Count   int
}
