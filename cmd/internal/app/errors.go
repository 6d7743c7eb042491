package app

// The errors below say what kind of failure a command ended with. The program
// maps them to exit codes; any other error is a failure of another kind.

// UsageError is a mistake in the command line: exit code 64.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// ConfigError is something in the configuration, or in what it refers to, that
// the user has to change before popferry can run: exit code 78.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

func (e *ConfigError) Unwrap() error { return e.Err }

// TryAgainError reports that an account or message has to be tried again: exit
// code 75. Err is nil if the user has read the reason already.
type TryAgainError struct{ Err error }

func (e *TryAgainError) Error() string {
	if e.Err == nil {
		return "something has to be tried again"
	}
	return e.Err.Error()
}

func (e *TryAgainError) Unwrap() error { return e.Err }
