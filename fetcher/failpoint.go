package fetcher

import place "github.com/popferry/popferry/fetcher/failpoint"

// failpoint is where a test may have the process die.
func failpoint(name string) { place.Hit(name) }
