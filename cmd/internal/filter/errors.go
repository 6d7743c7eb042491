package filter

// Kind is how a filter failed.
type Kind uint8

// The kinds.
const (
	Missing Kind = iota + 1 // it cannot be started
	Late                    // it did not end in time
	Died                    // it ended otherwise than by exit 0 or 99
	Floods                  // it printed more than it may
	Unclear                 // what it printed is no answer
	Unread                  // the message could not be read; not the filter's fault
)

// Error says how a filter failed. It never shows the filter's arguments, which may
// have a secret in them, nor what it printed to stdout, which may be the message.
type Error struct {
	Kind    Kind
	Program string // its name without the folder
	Err     error  // what happened, with the last line of stderr
}

func (e *Error) Error() string { return "the filter " + e.Program + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }
