//go:build !linux

package sdnotify

import "time"

// monotonic: there is no systemd here to ask for it.
func monotonic() (time.Duration, error) { return 0, nil }
