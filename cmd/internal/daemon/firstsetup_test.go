package daemon

import (
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// When nobody comes in time, the page ends and nothing is written.
func TestFirstSetupEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr := ""
	_, err := FirstSetup(t.Context(), FirstSetupOptions{
		Setup: setup.Options{Config: filepath.Join(dir, "popferry.yaml")}, Listen: "127.0.0.1:0", Resources: app.NewResources(),
		Log: slog.New(slog.DiscardHandler), life: time.Millisecond,
		Tell: func(url, _ string) { addr = strings.Trim(strings.TrimPrefix(url, "http:"), "/") },
	})
	if !errors.Is(err, ErrSetupLate) {
		t.Errorf("got %v, want ErrSetupLate", err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Errorf("%s still answers", addr)
	}
	if files := testworld.Files(t, dir); files != "" {
		t.Errorf("these files were written, want none:\n%s", files)
	}
}
