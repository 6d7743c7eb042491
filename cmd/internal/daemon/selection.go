package daemon

import (
	"slices"
	"sync"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
)

// selection are the accounts that are polled: all that are enabled, or those that the
// command line named and those that were added or resumed on the page since.
type selection struct {
	some bool // not all

	mu    sync.Mutex
	names []string
}

func newSelection(names []string) *selection {
	return &selection{some: len(names) > 0, names: slices.Clone(names)}
}

// Has implements mailboxes.Selection.
func (s *selection) Has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.some || slices.Contains(s.names, name)
}

// Set implements mailboxes.Selection.
func (s *selection) Set(name string, polled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = slices.DeleteFunc(s.names, func(other string) bool { return other == name })
	if polled {
		s.names = append(s.names, name)
	}
}

// apply enables the accounts of a configuration that are selected, and disables the
// others.
func (s *selection) apply(cfg *config.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.some && len(s.names) == 0 { // for Select no names are all
		for i := range cfg.Accounts {
			cfg.Accounts[i].Enabled = false
		}
		return nil
	}
	if !s.some {
		return nil
	}
	return app.Select(cfg, s.names)
}
