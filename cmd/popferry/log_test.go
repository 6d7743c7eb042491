package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestLoggingChanges: loggers that were made before write as the configuration
// wants it now, with all that they were given.
func TestLoggingChanges(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := newLogging(&out, config.Log{Level: slog.LevelInfo, Format: "text"})
	log := l.logger().With("account", "isp").WithGroup("server").With("port", 995)
	for _, c := range []struct {
		name  string
		log   config.Log
		wrote string // what of a debug and of an info line; a line ends with the attribute of the call
	}{
		{"another level", config.Log{Level: slog.LevelDebug, Format: "text"}, "level=DEBUG msg=low account=isp server.port=995 server.n=1\nlevel=INFO msg=high account=isp server.port=995 server.n=2\n"},
		{"another format", config.Log{Level: slog.LevelInfo, Format: "json"}, `"level":"INFO","msg":"high","account":"isp","server":{"port":995,"n":2}}` + "\n"},
		{"less", config.Log{Level: slog.LevelError, Format: "json"}, ""},
		{"as before", config.Log{Level: slog.LevelInfo, Format: "text"}, "level=INFO msg=high account=isp server.port=995 server.n=2\n"},
	} {
		out.Reset()
		l.use(c.log)
		log.Debug("low", "n", 1)
		log.Info("high", "n", 2)
		var wrote strings.Builder
		for line := range strings.Lines(out.String()) { // without the time
			_, line, _ = strings.Cut(line, map[string]string{"text": " ", "json": ","}[c.log.Format])
			wrote.WriteString(line)
		}
		if wrote.String() != c.wrote {
			t.Errorf("%s: %q, want %q", c.name, wrote.String(), c.wrote)
		}
	}
}
