package fetcher

// failpoints are the places between any two steps of a message's way at which
// a test lets the process die; see failpoint.
var failpoints = [...]string{
	"listed",    // the listing is read, nothing is written
	"fetched",   // a message is in the spool
	"kept",      // its copy is on disk, its row is not
	"intended",  // its row says sending, nothing is sent
	"answered",  // the destination has answered, the row does not tell yet
	"written",   // the row tells
	"forwarded", // all transactions are over, nothing is deleted
	"dele",      // a DELE was answered
	"quit",      // QUIT was answered, the row does not tell yet
	"deleted",   // the row tells that it is deleted
}
