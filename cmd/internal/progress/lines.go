package progress

import (
	"log/slog"
	"time"
)

// linesInterval is how often a line is written about a poll that takes long.
const linesInterval = 30 * time.Second

// lines shows polls in the log.
type lines struct{ log *slog.Logger }

// Lines returns a View that writes lines to the log.
func Lines(log *slog.Logger) View { return lines{log} }

func (lines) Interval() (every, delay time.Duration) { return linesInterval, linesInterval }

func (l lines) Show(s Status) {
	l.log.Info("polling", "account", s.Account, "done", s.Done, "messages", s.Messages,
		"fetched", s.Fetched, "octets", s.Octets, "rate", int64(s.Rate), "left", s.Left)
}

func (lines) Done(string) {}

func (lines) Close() {}
