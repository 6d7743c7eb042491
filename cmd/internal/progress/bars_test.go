//go:build unix

package progress

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/popferry/popferry/fetcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openTerminal opens a terminal of so many columns. written returns what was
// written to it.
func openTerminal(t *testing.T, columns uint16) (tty *os.File, written func() string) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var text []byte
	var reading sync.WaitGroup
	reading.Go(func() {
		p := make([]byte, 4096)
		for {
			n, err := master.Read(p)
			mu.Lock()
			text = append(text, p[:n]...)
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	closed := sync.OnceFunc(func() {
		_ = tty.Close() // what was written can still be read, and then an error
		reading.Wait()
		_ = master.Close()
	})
	t.Cleanup(closed)
	return tty, func() string {
		mu.Lock()
		defer mu.Unlock()
		return string(text)
	}
}

// await waits until a condition holds, three minutes at most.
func await(t *testing.T, what string, written func() string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited three minutes for the %s; the terminal shows %q", what, shown(t, written()))
		}
	}
}

// lineUp moves the cursor up and erases everything below it.
var lineUp = regexp.MustCompile(`^\x1b\[(\d+)A\x1b\[J`)

// shown returns what a terminal shows after it was written to.
func shown(t *testing.T, written string) []string {
	t.Helper()
	screen := []string{""}
	for written != "" {
		if m := lineUp.FindStringSubmatch(written); m != nil {
			var up int
			if _, err := fmt.Sscan(m[1], &up); err != nil || up >= len(screen) {
				t.Fatalf("%q in %q", m[0], screen)
			}
			screen = append(screen[:len(screen)-1-up], "")
			written = written[len(m[0]):]
			continue
		}
		if line, rest, ok := strings.Cut(written, "\r\n"); ok && !strings.Contains(line, "\x1b") {
			screen[len(screen)-1] += line
			screen, written = append(screen, ""), rest
			continue
		}
		screen[len(screen)-1] += written[:1]
		written = written[1:]
	}
	return screen
}

// TestBarsKeepLinesWhole: lines that are written while bars are drawn appear
// whole, each once, above the bars. In the end there are no bars.
func TestBarsKeepLinesWhole(t *testing.T) {
	t.Parallel()
	tty, written := openTerminal(t, 100)
	bars := NewBars(tty)
	var want []string
	tally := fetcher.Snapshot{Messages: 4, Octets: 4000}
	for i := range 4 {
		tally.Done, tally.Fetched = i, int64(1000*i)
		bars.Show(newStatus("isp", tally, 1000))
		bars.Show(newStatus("work", tally, 1000))
		var writers sync.WaitGroup
		for n := range 50 {
			line := fmt.Sprintf("a line of the log, number %d of those at %d messages", n, i)
			want = append(want, line)
			writers.Go(func() { _, _ = io.WriteString(bars, line+"\n") })
		}
		writers.Wait()
		await(t, "bars below the lines", written, func() bool {
			s, text := shown(t, written()), fmt.Sprintf("] %d of 4 messages, ", i)
			return len(s) == len(want)+3 && strings.HasPrefix(s[len(want)], "isp  [") && strings.Contains(s[len(want)], text) &&
				strings.HasPrefix(s[len(want)+1], "work [") && strings.Contains(s[len(want)+1], text)
		})
	}
	bars.Done("isp")
	bars.Done("nobody")
	bars.Close()
	_, _ = io.WriteString(bars, "the end\n")
	want = append(want, "the end")
	await(t, "last line", written, func() bool { return strings.Contains(written(), "the end\r\n") })
	got := shown(t, written())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got[1:], want) { // nothing follows the last line end
		t.Errorf("the terminal shows %q, want %q", got[1:], want)
	}
	if regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(written()) {
		t.Error("got colours, want none")
	}
}

// TestBarsFitNarrowTerminal: a line that is wider than the terminal could not be
// overwritten.
func TestBarsFitNarrowTerminal(t *testing.T) {
	t.Parallel()
	tty, written := openTerminal(t, 30)
	bars := NewBars(tty)
	bars.Show(newStatus("a very long name of an account", fetcher.Snapshot{Messages: 4, Octets: 4000}, 1000))
	await(t, "bar", written, func() bool { return strings.Contains(written(), "a very long name") })
	for _, line := range shown(t, written()) {
		if n := len([]rune(line)); n > 30 {
			t.Errorf("%d columns, want at most 30: %q", n, line)
		}
	}
	bars.Close()
}

// TestBarsEndWithTerminal: when the terminal is closed, writes fail and nothing
// hangs.
func TestBarsEndWithTerminal(t *testing.T) {
	t.Parallel()
	tty, _ := openTerminal(t, 80)
	bars := NewBars(tty)
	_ = tty.Close()
	for limit := time.Now().Add(3 * time.Minute); ; {
		bars.Show(newStatus("isp", fetcher.Snapshot{}, 0))
		if _, err := io.WriteString(bars, "a line\n"); err != nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("writes succeed for three minutes after the terminal was closed, want an error")
		}
	}
	bars.Done("isp")
	bars.Close()
}

func TestCanShow(t *testing.T) {
	t.Parallel()
	tty, _ := openTerminal(t, 80)
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, c := range map[string]struct {
		f    *os.File
		term string
		want bool
	}{
		"a terminal":      {tty, "xterm", true},
		"a dumb terminal": {tty, "dumb", false},
		"a file":          {file, "xterm", false},
		"/dev/null":       {null, "xterm", false},
	} {
		if got := CanShow(c.f, func(string) string { return c.term }); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}
