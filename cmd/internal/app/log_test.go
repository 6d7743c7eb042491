package app

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestLogLevelChanges: loggers that were made before follow the level of the
// configuration that is read again; the format stays.
func TestLogLevelChanges(t *testing.T) {
	t.Parallel()
	for format, want := range map[string][2]string{
		"text": {"level=DEBUG msg=low account=isp server.port=995 server.n=1\n", "level=INFO msg=high account=isp server.port=995 server.n=2\n"},
		"json": {`"level":"DEBUG","msg":"low","account":"isp","server":{"port":995,"n":1}}` + "\n", `"level":"INFO","msg":"high","account":"isp","server":{"port":995,"n":2}}` + "\n"},
	} {
		var out strings.Builder
		l := NewLog(&out, config.Log{Level: slog.LevelInfo, Format: format})
		log := l.With("account", "isp").WithGroup("server").With("port", 995)
		for _, c := range []struct {
			level slog.Level
			want  string
		}{
			{slog.LevelInfo, want[1]},
			{slog.LevelDebug, want[0] + want[1]},
			{slog.LevelError, ""},
			{slog.LevelInfo, want[1]},
		} {
			out.Reset()
			l.Apply(config.Log{Level: c.level, Format: "text"})
			log.Debug("low", "n", 1)
			log.Info("high", "n", 2)
			var got strings.Builder
			for line := range strings.Lines(out.String()) { // without the time
				_, line, _ = strings.Cut(line, map[string]string{"text": " ", "json": ","}[format])
				got.WriteString(line)
			}
			if got.String() != c.want {
				t.Errorf("%s at level %s: got %q, want %q", format, c.level, got.String(), c.want)
			}
		}
	}
}
